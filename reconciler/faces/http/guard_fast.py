"""The guard around httptools, which is several times faster than h11. Loaded only where it is installed."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.faces.http.guard import Guard


class FastGuard(Guard, HttpToolsProtocol):  # type: ignore[misc]  # its flow is ours
    """Around httptools."""

    _beside = 0
    """Bytes since a head ended, a piece of a body came, or a body ended."""
    _left = 0
    """Bytes that are still to come of a body whose size was said."""

    @property
    def piece(self) -> int:
        """The rest of a body is no other request."""
        return max(super().piece, self._left)

    def parse(self, data: bytes) -> None:
        """What follows the last piece of a body, trailers above all, may be as long as a head: httptools keeps it."""
        self._beside += len(data)
        super().parse(data)
        if self._beside > self._limits.head_bytes and not self._refused:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """A target in absolute form would lose its host on the way: the scope says that it was none of ours.

        Trailers go to a list of their own: who may come in was decided by the head.
        """
        super().on_headers_complete()
        self._beside, self.headers = 0, []
        self._left = next((int(value) for name, value in self.scope["headers"] if name == b"content-length"), 0)
        if self.url[:1] != b"/":
            self.scope["raw_path"] = self.url

    def on_body(self, body: bytes) -> None:
        self._beside = 0
        self._left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._beside = self._left = 0
        super().on_message_complete()

    def _target(self) -> bytes:
        target: bytes = self.url
        return target

    def _reads_head(self) -> bool:
        """uvicorn makes the scope at the first byte of a request, and its path at the end of the head."""
        return self.scope is not None and "raw_path" not in self.scope
