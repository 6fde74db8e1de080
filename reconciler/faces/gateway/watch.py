"""Whether a client still waits for its answer. A request that is answered quickly pays for a timer and no more."""

from __future__ import annotations

import asyncio
from typing import Any

from reconciler.faces.gateway.exchange import Exchange


class Watch:
    """After `seconds`, looks whether the client went away, and then cancels the task of its request.

    The body must have been read. `gone` says that it did; whoever catches that cancellation takes it back with
    `Task.uncancel`.
    """

    __slots__ = ("_exchange", "_task", "_timer", "_watching", "gone")

    def __init__(self, exchange: Exchange, task: asyncio.Task[Any], seconds: float) -> None:
        self.gone = False
        self._exchange = exchange
        self._task = task
        self._watching: asyncio.Task[None] | None = None
        self._timer = task.get_loop().call_later(seconds, self._begin)

    def stop(self) -> None:
        """From now on the client may go without anything being cancelled."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await self._exchange.gone()
        self.gone = True
        self._task.cancel()
