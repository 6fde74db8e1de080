"""The load on a gateway, in a process of its own: bare sockets, requests made beforehand. A job on stdin, JSON out.

Job: `{"port", "path", "token", "dialect", "tool", "bytes", "connections", "calls", "seconds"}`. Dialects: `handshake`
and `stateless` (MCP's eras over streamable HTTP), `rest` (the tool is the path). With one connection it answers the
seconds of each call, with several the seconds of all of them by their number: `{"seconds": [...]}`. It ends after
`seconds`, or as many `calls`.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

_WARM = 20
_STATELESS = "2026-07-28"
_FIRST_ID = 1_000_000  # ids of one length, so that every request has the same


class Failed(Exception):
    """An answer that is none."""


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._whole = 0

    def ask(self, request: bytes) -> bytes:
        """Send, and wait for the answer."""
        self.socket.sendall(request)
        while not self.more(self.socket.recv(1 << 20)):
            pass
        return self.taken()

    def more(self, data: bytes) -> bool:
        """Take what came; whether the answer is complete."""
        if not data:
            raise Failed("the connection was closed")
        self._received = self._received + data if self._received else data
        if not self._whole:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self._received[:end].lower()
            at = head.find(b"content-length:")
            self._whole = end + 4 + int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else -1
        if self._whole < 0:
            return self._received.endswith(b"0\r\n\r\n")
        return len(self._received) >= self._whole

    def taken(self) -> bytes:
        """The complete answer. Raises Failed for one that is no success."""
        answer, self._received, self._whole = self._received, b"", 0
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")) or b'"isError": true' in answer:
            raise Failed(answer[:400].decode(errors="replace"))
        return answer


class Requests:
    """The bytes of every request, and the session they belong to."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._job = job
        self._session = b""
        self._number = _FIRST_ID
        self._before, self._after = self._call()

    def greet(self, connection: Connection) -> None:
        """The handshake, where the dialect has one."""
        if self._job["dialect"] != "handshake":
            return
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "load", "version": "0"}}
        answer = connection.ask(self._post({"id": 0, "method": "initialize", "params": params}))
        at = answer.lower().find(b"mcp-session-id:")
        if at >= 0:
            self._session = b"Mcp-Session-Id: %s\r\n" % answer[at + 15 :].partition(b"\r\n")[0].strip()
        connection.ask(self._post({"method": "notifications/initialized"}))
        self._before, self._after = self._call()

    def next(self) -> bytes:
        """A call that no other is like."""
        self._number += 1
        return b"%s%d%s" % (self._before, self._number, self._after) if self._after else self._before

    def _call(self) -> tuple[bytes, bytes]:
        arguments = {"text": "x" * self._job["bytes"]}
        if self._job["dialect"] == "rest":
            return self._head(self._job["path"], json.dumps(arguments).encode()), b""
        meta = {
            "io.modelcontextprotocol/protocolVersion": _STATELESS,
            "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": self._job["tool"], "arguments": arguments}
        envelope = {"_meta": meta} if self._job["dialect"] == "stateless" else {}
        call = {"id": _FIRST_ID, "method": "tools/call", "params": {**params, **envelope}}
        before, _, after = self._post(call).partition(b"%d" % _FIRST_ID)
        return before, after

    def _post(self, message: Mapping[str, Any]) -> bytes:
        return self._head(self._job["path"], json.dumps({"jsonrpc": "2.0", **message}).encode())

    def _head(self, path: str, body: bytes) -> bytes:
        token = f"Authorization: Bearer {self._job['token']}\r\n" if self._job.get("token") else ""
        if self._job["dialect"] == "stateless":
            token += (
                f"MCP-Protocol-Version: {_STATELESS}\r\nMcp-Method: tools/call\r\nMcp-Name: {self._job['tool']}\r\n"
            )
        elif self._session:
            token += "MCP-Protocol-Version: 2025-11-25\r\n"
        lines = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._job['port']}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\n{token}"
        )
        return lines.encode() + self._session + b"Content-Length: %d\r\n\r\n" % len(body) + body


def one_by_one(job: Mapping[str, Any]) -> list[float]:
    """The seconds of each call of one client."""
    connection, requests = Connection(job["port"]), Requests(job)
    requests.greet(connection)
    answer = connection.ask(requests.next())
    if b"x" * job["bytes"] not in answer:
        raise Failed(f"not the echo: {answer[:400].decode(errors='replace')}")
    for _ in range(min(_WARM, job["calls"])):
        connection.ask(requests.next())
    found: list[float] = []
    over = time.perf_counter() + job["seconds"]
    while len(found) < job["calls"] and (start := time.perf_counter()) < over:
        request = requests.next()
        start = time.perf_counter()
        connection.ask(request)
        found.append(time.perf_counter() - start)
    return found


def at_once(job: Mapping[str, Any]) -> list[float]:
    """The seconds of all calls by their number, with as many in flight as there are connections."""
    requests = Requests(job)
    connections = [Connection(job["port"]) for _ in range(job["connections"])]
    requests.greet(connections[0])
    for connection in connections:
        connection.ask(requests.next())
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    start = time.perf_counter()
    over, done, sent = start + job["seconds"], 0, 0
    for connection in connections:
        connection.socket.sendall(requests.next())
        sent += 1
    while done < sent:
        for key, _ in selector.select(timeout=30):
            if not key.data.more(key.data.socket.recv(1 << 18)):
                continue
            key.data.taken()
            done += 1
            if sent < job["calls"] and time.perf_counter() < over:
                key.data.socket.sendall(requests.next())
                sent += 1
    return [(time.perf_counter() - start) / done]


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    print(json.dumps({"seconds": (one_by_one if wanted["connections"] == 1 else at_once)(wanted)}))
