"""Whether a stream that brings nothing still could: many servers write a comment now and then to keep it open (the HTML
standard, server-sent events: every 15 seconds or so). Once those stay away, nothing else may come either."""

from __future__ import annotations

QUIET, PATIENCE = 1.0, 60.0
"""Seconds: a comment after a shorter pause is no sign of life, and as long at least it may be waited for."""


class Beat:
    """The comments of one stream. Time is passed in, in seconds. A stream without them is believed for ever."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._pause = 0.0

    def came(self, piece: bytes, now: float) -> None:
        """What the stream brought."""
        pause = now - self._last if self._last is not None else 0.0
        if pause >= QUIET and piece.startswith(b":"):
            self._pause = max(self._pause, pause)
        self._last = now

    def stopped(self, now: float) -> bool:
        """Whether it has been silent for more than twice as long as it used to."""
        return self._last is not None and self._pause > 0 and now - self._last > max(PATIENCE, 2 * self._pause)
