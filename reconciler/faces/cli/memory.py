"""The memory of an engine's process: what large messages took is used again for the next, and given back in a while.

Elsewhere than on Linux with glibc nothing is done but for the search for rings.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

_COLLECTIONS = 700, 5, 50
"""An engine looks for rings of objects as any program that lasts, a little at a time: a command hardly ever does, and
requests that break off make some."""
_KEPT = 16 * 1024 * 1024
"""Bytes behind the last thing in use that are free and kept, at most. To ask the system for the pages of a message anew
takes longer than everything else that is done with it."""
_OWN = 8 * 1024 * 1024
"""Bytes of a block that is the system's again as soon as it is free; no message is as long."""
_GROWN = 8 * 1024 * 1024
"""Bytes more than there were that are worth a look for what is free: of a flood of large messages everything stays
below the last small thing that came after it."""
_LOOK_SECONDS, _RARELY = 5.0, 60.0
"""How often it is looked, and how often where a look gained little: what is there is in use."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_STATM = Path("/proc/self/statm")


def collect_like_an_engine() -> None:
    """From now on; before, as any command does."""
    gc.set_threshold(*_COLLECTIONS)


def keep_what_is_loaded() -> None:
    """Everything that an engine needs is loaded: it is searched for rings no more, which took a tenth of a second."""
    gc.freeze()


async def give_back() -> None:
    """Until cancelled: what large messages took and nothing uses any more becomes the system's again."""
    library = _glibc()
    if library is None:
        return
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    library.mallopt(_MMAP_THRESHOLD, _OWN)
    least, pause = _resident(), _LOOK_SECONDS
    while True:
        await asyncio.sleep(pause)
        left = _resident()
        if left > least + _GROWN:
            await asyncio.to_thread(library.malloc_trim, 0)
            left = _resident()
        pause = _RARELY if left > least + _GROWN else _LOOK_SECONDS
        least = min(least, left)


def _glibc() -> Any:
    """The C library; None for another one, which has no such settings."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and _STATM.exists() else None


def _resident() -> int:
    """Bytes of ours in memory; 0 while no file can be opened."""
    with suppress(OSError):
        return int(_STATM.read_text("ascii").split()[1]) * resource.getpagesize()
    return 0
