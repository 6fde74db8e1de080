"""That something is different now, told to everybody who waits for it. What it is they look up themselves."""

from __future__ import annotations

import asyncio


class News:
    """A number that grows with every change."""

    def __init__(self) -> None:
        self.number = 0
        self._later = asyncio.Event()

    def tell(self) -> None:
        """Something changed."""
        self.number += 1
        self._later.set()
        self._later = asyncio.Event()

    async def after(self, number: int) -> int:
        """Return the number as soon as it is another than the one given."""
        while self.number == number:
            await self._later.wait()
        return self.number
