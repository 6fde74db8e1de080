"""What was written to a connection and is not read: whoever reads nothing of it for a while is hung up on.

A transport that is closed waits for ever until everything is read.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Unread:
    """Looks every `seconds` whether less waits than before, from `watch` until `end`."""

    def __init__(self, transport: Any, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._before = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """From now on, where anything waits."""
        self.end()
        self._before = self._transport.get_write_buffer_size()
        if self._before:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def end(self) -> None:
        """All was read, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._before:
            self.watch()
        else:
            self._transport.abort()
