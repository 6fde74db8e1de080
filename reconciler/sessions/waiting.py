"""Requests in flight on a session of ours: their answers to come, their deadlines, who they are made for."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from reconciler.sessions.callers import Flight
from reconciler.sessions.session import Caller, DeadlineExceeded, Progress, Take


class Waiting(Flight):
    """A request that was sent, or is about to be. `over` gets its answer."""

    over: asyncio.Future[dict[str, Any]]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        method: str,
        timeout: float,
        on_progress: Progress | None,
        caller: Caller | None,
        take: Take | None = None,
    ) -> None:
        self.over = loop.create_future()
        self.method = method
        self.timeout = timeout
        self.on_progress = on_progress
        self.caller = caller
        self.take = take
        self.alarm = None if timeout == math.inf else loop.call_later(timeout, self.expire)

    @property
    def deadline(self) -> float | None:
        return self.alarm.when() if self.alarm else None

    def move(self, deadline: float) -> None:
        if self.alarm:
            self.alarm.cancel()
            self.alarm = self.over.get_loop().call_at(deadline, self.expire)

    def expire(self) -> None:
        fail(self.over, DeadlineExceeded(f"No answer to {self.method} within {self.timeout:.3g} s."))

    def close(self) -> None:
        """It is answered or given up; nobody asks for more."""
        if not self.over.cancel() and not self.over.cancelled():
            self.over.exception()  # that it failed is known, also where nobody waited
        if self.alarm:
            self.alarm.cancel()


def fail(future: asyncio.Future[dict[str, Any]], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
