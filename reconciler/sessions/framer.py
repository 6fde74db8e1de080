"""Bytes to lines: a stream is cut at its newlines, in linear time and with a bound. Used by every session of ours."""

from __future__ import annotations

PIECE = 16 * 1024
"""Bytes from which on a piece of a line is kept as it came; shorter ones are put together."""


class LineTooLong(Exception):
    """A line exceeds its limit, whether or not its end has come."""


class Framer:
    """Cuts a byte stream at newlines; every byte is searched once. Line ends are not part of a line.

    A long line is put together once, when its end has come: a buffer that grows would be copied again and again.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = b""
        self._at = 0
        self._begun: list[bytes | bytearray] = []
        self._length = 0

    def feed(self, data: bytes) -> None:
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def next_line(self) -> bytes | None:
        """The next whole line, or None until more is fed. Raises LineTooLong."""
        end = self._data.find(b"\n", self._at)
        piece = self._data[self._at : end if end >= 0 else None]
        if self._length + len(piece) > self._limit:
            raise LineTooLong
        if end < 0:
            self._data, self._at = b"", 0
            self._keep(piece)
            return None
        self._at = end + 1
        if not self._begun:
            return piece
        line = b"".join((*self._begun, piece))
        self._begun, self._length = [], 0
        return line

    def clear(self) -> None:
        """Forget everything that was fed."""
        self._data, self._at = b"", 0
        self._begun, self._length = [], 0

    def _keep(self, piece: bytes) -> None:
        """A part of a line whose end has not come."""
        self._length += len(piece)
        last = self._begun[-1] if self._begun else b""
        if len(piece) >= PIECE:
            self._begun.append(piece)
        elif isinstance(last, bytearray) and len(last) < PIECE:
            last += piece
        elif piece:
            self._begun.append(bytearray(piece))
