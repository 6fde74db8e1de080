"""A machine on which every address there is answers, its own DNS, and a record of every packet that leaves us.

For programs that begin with `with Inside(names) as inside:` and were started by `OWN_NETWORK`: nothing of it reaches
the real network, and nothing of the real network is reached.
"""

import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

OWN_NETWORK = ("unshare", "--net", "--mount", "--propagation", "private", "--")
"""What a command begins with that has a network, and mounts, nobody else sees."""

NAMESERVER = "192.0.2.53"
_LINKS = ("link set lo up", "route add local 0.0.0.0/0 dev lo", "-6 route add local ::/0 dev lo")
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP = 6, 17
_EVERYTHING = 0x0003
_A, _AAAA = 1, 28


class Inside:
    """`names` are the addresses of each name, one list for each time it is asked for; the last list stays."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._names = {name: [list(each) for each in lists] for name, lists in names.items()}
        self._times: dict[tuple[str, int], int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for words in _LINKS:
            subprocess.run(["ip", *words.split()], check=True)
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        (folder / "resolv.conf").write_text(f"nameserver {NAMESERVER}\n")
        (folder / "hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
        for name in ("resolv.conf", "hosts"):
            subprocess.run(["mount", "--bind", str(folder / name), str(Path("/etc", name).resolve())], check=True)
        self._ears = self._stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, _EVERYTHING << 8))
        self._ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._ears.setblocking(False)
        self._dns = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._dns.bind((NAMESERVER, 53))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def forget(self) -> None:
        """Every name is asked for the first time again."""
        self._times.clear()

    def heard(self) -> list[str]:
        """`address:port` of every connection begun, and every datagram sent, since the last time; not those to DNS."""
        found: dict[str, None] = {}
        while True:
            try:
                packet, (_, kind, *_rest) = self._ears.recvfrom(65535)
            except BlockingIOError:
                return list(found)
            where = _goal(packet, kind)
            if where is not None and where != f"{NAMESERVER}:53":
                found[where] = None

    def _serve(self) -> None:
        while True:
            try:
                question, client = self._dns.recvfrom(4096)
            except OSError:
                return
            self._dns.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += question[at] + 1
        name, (wanted,) = ".".join(labels).lower(), struct.unpack_from("!H", question, at + 1)
        records = [_record(text) for text in self._said(name, wanted)]
        fitting = [record for kind, record in records if kind == wanted]
        known = 0 if name in self._names else 3
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | known, 1, len(fitting), 0, 0)
        return head + question[12 : at + 5] + b"".join(fitting)

    def _said(self, name: str, wanted: int) -> list[str]:
        lists = self._names.get(name, [[]])
        asked = self._times[name, wanted] = self._times.get((name, wanted), -1) + 1
        return lists[min(asked, len(lists) - 1)]


def _record(text: str) -> tuple[int, bytes]:
    address = ip_address(text)
    kind = _A if isinstance(address, IPv4Address) else _AAAA
    return kind, struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(address.packed)) + address.packed


def _goal(packet: bytes, kind: int) -> str | None:
    """Where a packet that begins something goes; None for answers, and for what is no internet."""
    if kind == _IPV4:
        address, protocol, data = str(IPv4Address(packet[16:20])), packet[9], packet[(packet[0] & 15) * 4 :]
    elif kind == _IPV6:
        address, protocol, data = f"[{IPv6Address(packet[24:40])}]", packet[6], packet[40:]
    else:
        return None
    if protocol == _TCP and data[13] & 0x12 != 0x02:
        return None
    if protocol == _UDP and data[:2] == b"\x005":
        return None
    if protocol not in (_TCP, _UDP):
        return None
    return f"{address}:{struct.unpack_from('!H', data, 2)[0]}"
