"""One JSON-RPC request on its way over HTTP: its deadline, and what became of it. Shared by session and HTTP client."""

from __future__ import annotations

import asyncio
import math
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx2

from reconciler.sessions.session import SessionError


def _future() -> asyncio.Future[SessionError]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, eq=False)
class Exchange:
    """What becomes of one request. `deadline` is in loop time.

    `failed` is set when no answer can come any more; `broke` says why an answer stream stopped, which the SDK may mend.
    """

    deadline: float = math.inf
    lenient: bool = False
    """Any status is an answer: the probe of a server that may be of the other era."""
    failed: asyncio.Future[SessionError] = field(default_factory=_future)
    broke: SessionError | None = None
    status: int | None = None
    begun: bool = False
    redirects: int = 0
    follows: httpx2.Request | None = None
    """The request that a redirect within the origin leads to."""

    def fail(self, error: SessionError) -> None:
        """The first failure holds."""
        if not self.failed.done():
            self.failed.set_result(error)

    @property
    def lasts(self) -> bool:
        """Whether its answer is a stream that stands until somebody ends it."""
        return self.deadline == math.inf

    def patience(self) -> float:
        """Seconds until the deadline, negative after it."""
        return self.deadline - asyncio.get_running_loop().time()


EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The SDK posts each message in the context of whoever sent it, which is how a post finds its exchange."""
