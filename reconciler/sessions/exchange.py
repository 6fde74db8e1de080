"""One JSON-RPC request on its way over HTTP: its deadline, and what became of it. Shared by session and HTTP client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2

from reconciler.sessions.callers import Flight
from reconciler.sessions.http_beat import Beat
from reconciler.sessions.session import Caller, SessionError


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Exchange(Flight):
    """What becomes of one request. `deadline` is in loop time; `move` is the way to change it.

    `failed` is set when no answer can come any more; `broke` says why an answer stream stopped, which the SDK may mend.
    """

    deadline: float = math.inf
    lenient: bool = False
    """Any status is an answer: the probe of a server that may be of the other era."""
    method: str = ""
    caller: Caller | None = None
    over: asyncio.Future[Any] = field(default_factory=_future)
    failed: asyncio.Future[SessionError] = field(default_factory=_future)
    broke: SessionError | None = None
    status: int | None = None
    begun: bool = False
    redirects: int = 0
    follows: httpx2.Request | None = None
    """The request that a redirect within the origin leads to."""
    stands: Callable[[], None] | None = None
    """Called when the answer turns out to be a stream."""
    standing: bool = False
    """Whether that stream is open now."""
    beat: Beat = field(default_factory=Beat)
    _scopes: set[anyio.CancelScope] = field(default_factory=set)

    def fail(self, error: SessionError) -> None:
        """The first failure holds."""
        if not self.failed.done():
            self.failed.set_result(error)

    @property
    def lasts(self) -> bool:
        """Whether its answer is a stream that stands until somebody ends it."""
        return self.deadline == math.inf

    @property
    def tells(self) -> bool:
        """Whether that stream is open and has not fallen silent."""
        return self.standing and not self.beat.stopped(asyncio.get_running_loop().time())

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Raises TimeoutError at the deadline, also at one that is moved meanwhile."""
        with anyio.fail_after(self.deadline - asyncio.get_running_loop().time()) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)

    def move(self, deadline: float) -> None:
        self.deadline = deadline
        for scope in self._scopes:
            scope.deadline = deadline


EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The SDK posts each message in the context of whoever sent it, which is how a post finds its exchange."""
