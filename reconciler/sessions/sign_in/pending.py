"""One sign-in that waits for a person: its URL, its state that holds once, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from reconciler.sessions.addresses import is_loopback
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import SignInFailed
from reconciler.sessions.sign_in.grants import CameBack

SECONDS = 600.0
"""How long a person has."""
FRESH = 240.0
"""A URL that is shown again has at least the rest of the ten minutes left; an older one is replaced by a new one."""

Run: TypeAlias = Callable[[Callable[[str], Awaitable[CameBack]]], Awaitable[None]]
"""The whole sign-in; gets what publishes the URL and waits for the browser. Raises SessionError."""


class PendingSignIn:
    """From its first request to the tokens. Ends by itself when nobody comes in time. `asks` are wider scopes."""

    def __init__(
        self, server: str, redirect: str, asks: str | None, run: Run, on_page: Callable[[PendingSignIn], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.server = server
        self.redirect = redirect
        self.asks = asks
        self._answered = False
        self.state = ""
        self.url: str | None = None
        self._on_page = on_page
        self._loop = loop
        self._began = loop.time()
        self._page: asyncio.Future[str] = loop.create_future()
        self._back: asyncio.Future[CameBack] = loop.create_future()
        self.task = asyncio.create_task(self._run(run), name=f"sign-in to {server}")
        self.task.add_done_callback(_heard)

    @property
    def fresh(self) -> bool:
        """Whether it may be shown to somebody who begins now."""
        return not self.task.done() and not self._back.done() and self._loop.time() - self._began < FRESH

    @property
    def answered(self) -> bool:
        """Whether the browser came back."""
        return self._answered

    @property
    def waits(self) -> bool:
        """Whether a person can sign in at its URL."""
        return self.url is not None and not self._back.done() and not self.task.done()

    async def page(self) -> str:
        """The URL at which a person signs in. Raises SessionError when none can be had."""
        return await asyncio.shield(self._page)

    async def came_back(self, back: CameBack | SessionError) -> None:
        """What the browser brought; returns when the tokens are kept. Raises SessionError."""
        self._answered = True
        if isinstance(back, SessionError):
            self._back.set_exception(back)
        else:
            self._back.set_result(back)
        await self.ended()

    async def ended(self) -> None:
        """Wait for the end, whatever it is. Raises SessionError for a bad one."""
        await asyncio.shield(self.task)

    def give_up(self) -> None:
        """Nobody can finish it any more; a code that came is still exchanged."""
        if not self.answered:
            self._fail(SessionError("The sign-in was given up.", code="sign-in-failed"))
            self.task.cancel()

    async def _run(self, run: Run) -> None:
        try:
            await run(self._publish)
        except SessionError as error:
            self._fail(error)
            raise
        except Exception as error:
            failure = SessionError(f"{type(error).__name__}: {error}", code="internal")
            self._fail(failure)
            raise failure from error
        finally:
            self._fail(SessionError("The sign-in is over.", code="sign-in-failed"))

    def _fail(self, error: SessionError) -> None:
        for future in (self._page, self._back):
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody needs to wait for it

    async def _publish(self, url: str) -> CameBack:
        self.state = _checked(url)
        self._on_page(self)
        self.url = url
        self._page.set_result(url)
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.shield(self._back)
        except TimeoutError:
            raise SessionError("Nobody signed in within 10 minutes.", code="sign-in-failed") from None


def _heard(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def _checked(url: str) -> str:
    """The state in a URL that a browser may be sent to. Raises SignInFailed."""
    try:
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        safe = safe and "@" not in parts.netloc and url.isascii() and url.isprintable() and " " not in url
        state = parse_qs(parts.query).get("state", [])
    except ValueError:
        safe, state = False, []
    if not safe or len(state) != 1:
        raise SignInFailed("The authorization server names a page for signing in that is not https.")
    return state[0]
