"""Whether a remote session lives, and what it died of. A broken connection is a doubt, and a probe settles it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from reconciler.sessions.http_failures import HttpRefused
from reconciler.sessions.session import End, SessionError
from reconciler.sessions.sign_in.credential import NotSignedIn


class Life:
    """`stop` is set when the session is to be left, `failure` is why. Doubts count only between `begin` and the end."""

    def __init__(self, where: str, probe: Callable[[], Awaitable[None]]) -> None:
        self.stop = asyncio.Event()
        self.begun = asyncio.Event()
        self._where = where
        self._probe = probe
        self._loop = asyncio.get_running_loop()
        self.failure: SessionError | None = None
        self._end: asyncio.Future[End] = self._loop.create_future()
        self._trouble: SessionError | None = None
        self._probing = False
        self._leaving = False
        self._quiet_until = -math.inf
        self._helpers: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """The handshake is done."""
        self.begun.set()

    async def ended(self) -> End:
        return await asyncio.shield(self._end)

    @property
    def over(self) -> bool:
        return self._end.done()

    def why_over(self) -> SessionError:
        """What a request gets to hear that came too late."""
        end = self._end.result() if self._end.done() else End(f"{self._where} ended the session.")
        return SessionError(end.reason, terminal=end.terminal, retry_after=end.retry_after, code="ended")

    async def wait_for_the_reason(self, seconds: float) -> SessionError:
        """The same, where the session is known to be ending."""
        await asyncio.wait({self._end}, timeout=seconds)
        return self.why_over()

    def finish(self, error: SessionError | None = None) -> None:
        """The session is over, because of `error` or of the trouble it was in; the first reason holds."""
        if not self._end.done():
            error = self.failure = error or self._trouble or SessionError(f"{self._where} ended the session.")
            self._end.set_result(End(str(error), retry_after=error.retry_after, terminal=error.terminal))
        self.stop.set()

    def quiet_for(self) -> float:
        """Seconds for which the server asked not to be asked; negative when it may be."""
        return self._quiet_until - self._loop.time()

    def check_may_ask(self) -> None:
        """Raises SessionError after the end, and while the server asked for quiet."""
        if self.over:
            raise self.why_over()
        wait = self.quiet_for()
        if wait > 0:
            message = f"{self._where} asked not to be asked for another {wait:.0f} s (HTTP 429)."
            raise SessionError(message, retry_after=wait, code="http-429")

    def heed(self, error: SessionError) -> None:
        """What a failed request means for the session: 429 asks for quiet, 401 ends it, 5xx makes it doubtful."""
        if isinstance(error, NotSignedIn) and error.ends:
            self.finish(error)
        if not isinstance(error, HttpRefused):
            return
        if error.status == 429:
            self._quiet_until = max(self._quiet_until, self._loop.time() + (error.retry_after or 0))
        elif error.terminal or (error.status >= 500 and error.retry_after is not None):
            self.finish(error)
        elif error.status >= 500:
            self.doubt(error)

    def doubt(self, error: SessionError) -> None:
        """Something broke: the session goes on if the server answers a probe."""
        self._trouble = error
        if self.begun.is_set() and not self.over and not self._probing:
            self._probing = True
            self.help(self._settle())

    def lose(self, error: SessionError) -> None:
        """A stream that the session needs cannot be had back."""
        if not self._leaving:
            self.finish(error)

    async def _settle(self) -> None:
        try:
            await self._probe()
            self._trouble = None
        except SessionError as failure:
            self.finish(failure)
        finally:
            self._probing = False

    def help(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the session, for as long as it lives."""
        helper = asyncio.create_task(work)
        self._helpers.add(helper)
        helper.add_done_callback(self._helpers.discard)

    def leaving(self) -> None:
        """From now on streams end because we end them."""
        self._leaving = True

    async def leave(self) -> None:
        """Stop every helper."""
        helpers = list(self._helpers)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
