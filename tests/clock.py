"""A loop whose time costs nothing: it stands still while there is something to do, and then jumps to the next timer.

Only for what stays inside the loop: a thread or a process would be left behind.
"""

from __future__ import annotations

import asyncio
import selectors


async def pass_by(seconds: float) -> None:
    """Let so much time pass, of the kind that costs nothing."""
    await asyncio.sleep(seconds)


class JumpingLoop(asyncio.SelectorEventLoop):
    """`asyncio.run(..., loop_factory=JumpingLoop)`; for anyio's tests see `JUMPING`."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Be so much later."""
        self._now += seconds


class _Selector(selectors.SelectSelector):
    """Nothing is waited for; only without any timer the loop waits for the world."""

    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout:
            self._loop.jump(timeout)
        return ready


JUMPING = ("asyncio", {"loop_factory": JumpingLoop})
"""What the fixture `anyio_backend` answers in a module whose time jumps."""
