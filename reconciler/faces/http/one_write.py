"""The head of an answer and its body in one write: a client that waits for both is woken once."""

from __future__ import annotations

import asyncio
from typing import Any

from reconciler.faces.http.unread import Unread


class OneWrite:
    """A transport that keeps a head back until more comes, at most to the end of this turn of the loop."""

    __slots__ = ("_head", "_transport", "_unread", "is_closing", "writelines")

    def __init__(self, transport: Any, unread: Unread) -> None:
        self._transport = transport
        self._unread = unread
        self._head: bytes | None = None
        self.is_closing = transport.is_closing
        self.writelines = transport.writelines

    def write(self, data: bytes) -> None:
        """As a transport's. A head is known by its first word."""
        if self.is_closing():  # uvicorn tells a request with others behind it too late, and uvloop's transport raises
            self._head = None
        elif self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif data[:9] == b"HTTP/1.1 ":
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """As a transport's: what was written goes out first, as long as it is read."""
        self._flush()
        if not self.is_closing():  # whoever closes asyncio's TLS twice can ask it nothing any more
            self._transport.close()
            self._unread.watch()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self.is_closing():
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
