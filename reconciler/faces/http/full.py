"""Whether a listener has as many connections as there may be, or the process as many descriptors; said now and then."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from typing import Any

KEPT_BACK = 16
"""Descriptors that no connection takes: a process that has none cannot start a server, nor accept and refuse."""
QUIET = 60.0
"""Seconds between two sentences about it."""


class Full:
    """How much there may be of one listener."""

    def __init__(self, connections: int, say: Callable[[str], None]) -> None:
        self._connections = connections
        self._say = say
        self._said = -QUIET
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._descriptors = math.inf if soft == resource.RLIM_INFINITY else soft

    def is_now(self, connections: int, transport: Any) -> bool:
        """Whether a new connection is one too many. Descriptors have the lowest numbers that are free."""
        if connections >= self._connections:
            self._tell(f"{connections} connections are open, as many as there may be")
        elif transport.get_extra_info("socket").fileno() >= self._descriptors - KEPT_BACK:
            self._tell(f"almost all descriptors that this process may have ({self._descriptors}) are open")
        else:
            return False
        return True

    def _tell(self, message: str) -> None:
        now = time.monotonic()
        if now - self._said >= QUIET:
            self._said = now
            self._say(f"{message}: connections that ask nothing are closed for others")
