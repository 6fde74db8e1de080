"""Whether a session still answers: asked now and then, sooner after a silence, and given up after so many."""

from __future__ import annotations

import asyncio

from reconciler.sessions.session import RpcError, Session, SessionError

PING_SECONDS = 30.0
"""Between two pings of a session that answers them."""
PATIENCE, AGAIN_SECONDS, MISSED_PINGS = 10.0, 5.0, 3
"""A ping has so many seconds for its answer, the next follows so many after one that got none, and so many of those are
the end: a connection that leads nowhere is noticed within 70 s."""


class Pulse:
    """The pings of one session. Who works on a call may be silent until the deadline of that one."""

    def __init__(self) -> None:
        self._missed = 0
        self._most = MISSED_PINGS
        self._works_until = 0.0

    @property
    def silent(self) -> bool:
        """Whether it left the last ping without an answer."""
        return self._missed > 0

    @property
    def wait(self) -> float:
        """Seconds until the next ping."""
        return AGAIN_SECONDS if self._missed else PING_SECONDS

    def works(self, seconds: float) -> None:
        """A call was begun that may take so long. Once the server is silent that gives it no more time: else calls
        that follow each other would keep up one that answers none."""
        if not self._missed:
            self._works_until = max(self._works_until, asyncio.get_running_loop().time() + seconds)

    def heard(self) -> None:
        """The server answered something."""
        self._missed = 0

    def hurry(self, *, of_a_process: bool) -> None:
        """The next ping without an answer is one too many. Only a process may still work on what it was asked."""
        self._most = 1
        if not of_a_process:
            self._works_until = 0.0

    async def ask(self, session: Session, *, patience: float, works: bool) -> None:
        """One ping. Raises SessionError where it was one too many, unless a call that it `works` on has time left."""
        most, self._most = self._most, MISSED_PINGS
        if await _answers(session, min(PATIENCE, patience)):
            self.heard()
            return
        self._missed += 1
        may_be_silent = works and asyncio.get_running_loop().time() < self._works_until
        if self._missed >= most and not may_be_silent:
            said = f"{self._missed} pings" if self._missed > 1 else "a ping"
            raise SessionError(f"no answer to {said}", code="ping")


async def _answers(session: Session, seconds: float) -> bool:
    method = "ping" if session.handshake.era == "handshake" else "server/discover"
    try:
        await session.request(method, {}, timeout=seconds)
    except SessionError as error:
        return error.code == "http-429"  # it asked for quiet; else it is late, or the session is over: `ended` tells
    except RpcError:
        return True  # an error is an answer
    return True
