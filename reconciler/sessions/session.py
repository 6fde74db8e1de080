"""What a live MCP connection is to everyone else: four verbs, a few facts, and the ways it can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from reconciler.model.secret import SecretRef
from reconciler.model.server import Server
from reconciler.sessions.last_words import last_words

Era = Literal["handshake", "stateless"]
"""handshake: up to 2025-11-25 with `initialize`; stateless: 2026-07-28 with `server/discover`."""

Progress: TypeAlias = Callable[[Mapping[str, Any]], None]
Notify: TypeAlias = Callable[[str, Mapping[str, Any]], None]
Resolve: TypeAlias = Callable[[SecretRef], str]
"""The value behind a reference; raises Unresolved."""

CLIENT_CAPABILITIES: Mapping[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}}
"""Declared to every server: tool lists depend on it, so it never varies. A shared session has no one client's roots."""


RESUMED = "streams/resumed"
"""Told like a notification when notifications may have been lost, besides those of changed lists."""

STARTED = "processes/started"
"""Told like a notification, with the `pid`, as soon as a process was started for the session. `stderr` is a function:
what it printed last until then."""


class SessionError(Exception):
    """A session could not be opened or ended. `terminal` means that trying again changes nothing by itself.

    The message is a sentence for people. `retry_after` are seconds a server asked us to wait.
    """

    def __init__(
        self, message: str, *, terminal: bool = False, retry_after: float | None = None, code: str = "failed"
    ) -> None:
        super().__init__(message)
        self.terminal = terminal
        self.retry_after = retry_after
        self.code = code

    @property
    def reason(self) -> str:
        """The message as part of a longer sentence."""
        return str(self).removesuffix(".")


class Unresolved(SessionError):
    """A reference has no value; the message says where it was looked for."""

    def __init__(self, message: str) -> None:
        super().__init__(message, terminal=True, code="unresolved")


class DeadlineExceeded(SessionError):
    """Nothing came in time. The session may live on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="deadline")


class RpcError(Exception):
    """The server answered a request with a JSON-RPC error object (kept whole in `error`)."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "error")))
        self.error = dict(error)

    @property
    def code(self) -> int:
        value = self.error.get("code")
        return value if isinstance(value, int) else -32603


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the server said of itself."""

    era: Era
    protocol_version: str
    server_info: Mapping[str, Any] | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended. `code` is an exit status (negative for a signal) where there was a process. Where it is
    `ours`, we ended it, and what it printed last is not why.
    """

    reason: str
    code: int | None = None
    stderr: tuple[str, ...] = ()
    retry_after: float | None = None
    terminal: bool = False
    ours: bool = False


def with_last_words(reason: str, end: End) -> str:
    """Why a session ended, with what its process printed last, unless that is of our making."""
    said = "" if end.ours else last_words(end.stderr)
    return f"{reason.removesuffix('.')}; {said}" if said else reason


class StartFailed(SessionError):
    """The process started but no session came of it; `end` tells what became of it, with its last words."""

    def __init__(self, error: SessionError, end: End) -> None:
        words = with_last_words(str(error), end)
        super().__init__(words, terminal=error.terminal, retry_after=error.retry_after, code=error.code)
        self.end = end


Take: TypeAlias = Callable[[dict[str, Any]], bool]
"""Gets a result the moment it is read; says whether it went to whom it belongs."""


class Sent(Protocol):
    """A request that was started and not waited for (see PipeSession.start)."""

    @property
    def over(self) -> asyncio.Future[dict[str, Any]]:
        """Done when it ended in any way but one that was taken."""
        ...

    async def result(self) -> dict[str, Any]:
        """What became of it, as `Session.request`; to be awaited once, unless its result was taken."""
        ...

    def drop(self) -> None:
        """Nobody waits for it any more: the server is told to cancel it."""
        ...


class Caller(Protocol):
    """Whoever a request is made for, while it runs: it can be asked and told."""

    @property
    def key(self) -> object:
        """The same for all requests of one client connection; a server's question is attributed by it."""
        ...

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """Client capabilities as that client declared them."""
        ...

    @property
    def log_level(self) -> str | None:
        """What log messages the request asks for (stateless era), None for none."""
        ...

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The client's answer to a server's question. Raises RpcError when it cannot be asked or refuses."""
        ...

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass on a notification that belongs to the request."""
        ...


class Session(Protocol):
    """One live connection, handshake done. Entered and left by one task; used from any task of the same loop."""

    @property
    def handshake(self) -> Handshake:
        """What the server said of itself."""
        ...

    @property
    def pid(self) -> int | None:
        """The process behind it, where there is one."""
        ...

    @property
    def hears(self) -> bool:
        """Whether the server has, as of now, a way to tell of what changes while nothing is asked of it."""
        ...

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """The raw `result` object, vendor fields and all. `params` travel as they are, but for the era's `_meta`.

        `caller` is who answers what the server asks meanwhile; without one, questions are declined.

        Raises RpcError for an error answer, DeadlineExceeded after `timeout` seconds (the server is told to cancel),
        SessionError when the session ends first. Cancelling the caller cancels the request at the server. While a
        question to the caller is open the deadline does not run; math.inf is none at all.
        """
        ...

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification."""
        ...

    async def ended(self) -> End:
        """Wait until the session is over, however it ends."""
        ...


Opened: TypeAlias = AbstractAsyncContextManager[Session]
Open: TypeAlias = Callable[[Server, str, Notify], Opened]
"""Server, instance id and where notifications go -> the connection to enter."""


class Opener(Protocol):
    """Makes the connection of one transport: enters with the handshake done, leaves with nothing left behind."""

    def __call__(self, server: Server, resolve: Resolve, on_notification: Notify) -> Opened: ...
