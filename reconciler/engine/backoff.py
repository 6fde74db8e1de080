"""How long to wait before the next try. Pure: chance is an argument."""

from __future__ import annotations

from dataclasses import dataclass

BASE = 0.5
CRASH_LOOP_CAP = 300.0
CRASH_LOOP = 5
"""More failures than that without a stable minute between them are a crash loop."""
STABLE = 60.0
"""A session that lived this long starts counting afresh."""
REPROBE = 300.0
"""Terminal causes are looked at again this often."""
LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds until the next try, and whether blind retries have stopped (`stalled`)."""

    seconds: float
    stalled: bool = False


def next_try(failures: int, chance: float, *, terminal: bool = False, retry_after: float | None = None) -> Wait:
    """After the `failures`-th failure in a row: at once, then full jitter from 0.5 s doubling to 300 s.
    `chance` is uniform in [0, 1). A server's Retry-After (seconds) comes on top, up to an hour.
    """
    asked = min(max(retry_after or 0.0, 0.0), LONGEST_RETRY_AFTER)
    if terminal:
        return Wait(max(REPROBE, asked), stalled=True)
    if failures <= 1:
        return Wait(asked)
    return Wait(asked + chance * min(CRASH_LOOP_CAP, BASE * 2 ** min(failures - 2, 20)))
