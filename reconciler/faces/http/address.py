"""Where a listener may listen: addresses as people write them, and sockets bound to them. Loads no server."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7717
_ADDRESS = re.compile(r"(?:(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/@]+):)?([0-9]{1,5})")
_AUTHORITY = re.compile(r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: an IP address and a port, 0 for any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can come in."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def name(self) -> str:
        """What programs on this machine call it by, IPv6 in brackets."""
        address = ipaddress.ip_address(self.host)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(address), str(address))
        return f"[{host}]" if ":" in host else host

    def url(self, scheme: str = "http") -> str:
        """How a program on this machine reaches it."""
        return f"{scheme}://{self.name}:{self.port}"


def read_address(text: str) -> Address:
    """`HOST:PORT`, `[IPV6]:PORT` or `PORT` for this machine alone. Raises ValueError with a sentence."""
    parts = _ADDRESS.fullmatch(text.strip())
    if parts is None or int(parts[2]) > HIGHEST_PORT:
        raise ValueError(f'"{text}" is not HOST:PORT')
    host = (parts[1] or DEFAULT_HOST).strip("[]")
    host = DEFAULT_HOST if host.lower() == "localhost" else host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f'"{host}" is not an IP address: name the address to listen on') from None
    return Address(host, int(parts[2]))


def read_host(authority: str) -> str | None:
    """The host of `host[:port]` in lower case, IPv6 in brackets; None where it is not spelt like that."""
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or int(parts[2] or 0) > HIGHEST_PORT:
        return None
    return parts[1].lower()


def is_host_name(text: str) -> bool:
    """Whether this is a host and nothing else."""
    parts = _AUTHORITY.fullmatch(text)
    return parts is not None and parts[2] is None


def bind(address: Address) -> tuple[socket.socket, Address]:
    """A bound TCP socket, and the address it got. Raises OSError.

    It is made as TCP by name: only then does asyncio set TCP_NODELAY on its connections.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address.host, address.port))
        bound.listen()  # now, so that a port that somebody else took is noticed here
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound, Address(address.host, bound.getsockname()[1])


def bind_local(path: Path) -> socket.socket:
    """A listening unix socket for its owner alone; whatever a killed engine left there is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(128)
    listener.setblocking(False)
    return listener
