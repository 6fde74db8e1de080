"""Whether a remote server says too much that nobody asked for: as LineReader.flooding says of a process."""

from __future__ import annotations

import asyncio
import math

from reconciler.sessions.limits import LIMITS
from reconciler.sessions.rationed import PART
from reconciler.sessions.streams import Ration


class Unasked:
    """Counts what comes unasked. While a connection is held up it comes no faster than we read, which is for a part of
    the time: then so large a part of the ration is too much."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        most = LIMITS.unasked_per_second
        self._all, self._part = Ration(most, most), Ration(most * PART, most * PART)
        self._held_up = -math.inf

    def came(self) -> None:
        """One message that answers nothing."""
        now = self._loop.time()
        self._all.take(1, now)
        if not self._part.take(1, now) and now - self._held_up < 1:
            self._all.take(math.inf, now)  # more than there is: it remembers that it did not do

    def held_up(self) -> None:
        """A connection took more of our time than it gets."""
        self._held_up = self._loop.time()

    @property
    def flooding(self) -> bool:
        """Whether it was too much of late."""
        return self._all.was_short(self._loop.time())
