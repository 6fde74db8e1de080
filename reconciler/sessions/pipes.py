"""The thin JSON-RPC session of ours: requests in flight, progress, questions of the server. Knows lines, not pipes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from reconciler.sessions import frames
from reconciler.sessions.callers import Callers
from reconciler.sessions.envelope import on_behalf_of, theirs
from reconciler.sessions.limits import LIMITS, Limits
from reconciler.sessions.questions import BUSY, INTERNAL_ERROR, Answer, Questions
from reconciler.sessions.session import (
    Caller,
    DeadlineExceeded,
    End,
    Handshake,
    Notify,
    Progress,
    RpcError,
    Sent,
    SessionError,
    Take,
)
from reconciler.sessions.streams import Channel
from reconciler.sessions.waiting import Waiting, fail


class _Sent:
    """A request of one session that was started."""

    __slots__ = ("_number", "_session", "over")

    def __init__(self, session: PipeSession, number: int, waiting: Waiting) -> None:
        self._session = session
        self._number = number
        self.over = waiting.over

    async def result(self) -> dict[str, Any]:
        return await self._session.outcome(self._number)

    def drop(self) -> None:
        self._session.drop(self._number)


class PipeSession:
    """A Session on any channel. `feed` takes each line that arrives, `finish` says that no more will.

    `envelope` is merged into `_meta` of everything sent; the stateless era wants it. `skipped` counts lines that were
    no JSON-RPC (the first few are kept in `bad_lines`, after `hide`), `stray` the answers to nothing that was asked;
    `spoke` says whether anything understandable came at all.
    """

    handshake: Handshake
    pid: int | None = None
    hears = True

    def __init__(
        self,
        channel: Channel,
        on_notification: Notify,
        *,
        answer: Answer | None = None,
        hide: Callable[[str], str] = str,
        limits: Limits = LIMITS,
    ) -> None:
        self.envelope: Mapping[str, Any] = {}
        self.skipped = 0
        self.bad_lines: tuple[str, ...] = ()
        self.stray = 0
        self.spoke = False
        self.end: End | None = None
        self._channel = channel
        self._on_notification = on_notification
        self._hide = hide
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._waiting: dict[int, Waiting] = {}
        self._callers = Callers(self._waiting.values)
        self._questions = Questions(self._send_if_room, answer or self._callers.answer, limits.questions)
        self._bad_in_a_row = 0
        self._over = asyncio.Event()
        self._over_code = "ended"

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
        cancellable: bool = True,
    ) -> dict[str, Any]:
        """As `Session.request`. `cancellable` False keeps quiet when giving up."""
        if caller is not None and self._callers.take_turns:
            async with self._callers.turn(caller, timeout):
                return await self._ask(method, params, timeout, on_progress, caller, cancellable)
        return await self._ask(method, params, timeout, on_progress, caller, cancellable)

    async def _ask(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        timeout: float,
        on_progress: Progress | None,
        caller: Caller | None,
        cancellable: bool,
    ) -> dict[str, Any]:
        number = next(self._numbers)
        line = self._line(method, self._stamped(params, number if on_progress else None, caller), number)
        waiting = self._waiting[number] = Waiting(self._loop, method, timeout, on_progress, caller)
        sent = False
        try:
            if self._channel.full:
                await self._room_for(waiting.over)
            if not waiting.over.done():
                self._channel.send(line)
                sent = True
            return await waiting.over
        except (DeadlineExceeded, asyncio.CancelledError):
            if sent and cancellable:
                self._give_up(number)
            raise
        finally:
            del self._waiting[number]
            waiting.close()

    def start(
        self, method: str, params: Mapping[str, Any] | None, *, timeout: float, caller: Caller, take: Take
    ) -> Sent | None:
        """Send a request now and wait for nothing. None where it cannot be sent yet, or not at all: see `request`.

        `take` gets the result the moment it is read, and says whether that was all. If not, and for every other end,
        there is `Sent.result`.
        """
        if self.end or self._channel.full or self._callers.take_turns:
            return None
        number = next(self._numbers)
        try:
            line = self._line(method, self._stamped(params, None, caller), number)
        except SessionError:
            return None
        waiting = self._waiting[number] = Waiting(self._loop, method, timeout, None, caller, take)
        self._channel.send(line)
        return _Sent(self, number, waiting)

    async def outcome(self, number: int) -> dict[str, Any]:
        """What became of a request that was started. As `request`."""
        waiting = self._waiting[number]
        waiting.take = None
        try:
            return await waiting.over
        except (DeadlineExceeded, asyncio.CancelledError):
            self._give_up(number)
            raise
        finally:
            del self._waiting[number]
            waiting.close()

    def _give_up(self, number: int) -> None:
        self._tell("notifications/cancelled", {"requestId": number, "reason": "no longer awaited"})

    def drop(self, number: int) -> None:
        """Nobody waits for a request any more that was started: the server is told."""
        waiting = self._waiting.pop(number)
        if not waiting.over.done():
            self._give_up(number)
        waiting.close()

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """As `Session.notify`. Raises SessionError when the session is over; dropped when the server does not read."""
        self._line_allowed()
        self._tell(method, self._stamped(params, None, None))

    async def ended(self) -> End:
        await self._over.wait()
        assert self.end is not None
        return self.end

    def feed(self, line: bytes) -> bool:
        """Take one line. True when it answers something we asked, False for everything a server sends unasked."""
        if self.end or not line.strip():
            return False
        found = frames.read_answer(line, self._limits.depth)
        if found is not None:
            self._understood()
            return self._answered(found[0], {"result": found[1]})
        try:
            message = frames.decode(line, self._limits.depth)
        except ValueError as error:
            return self._broken(line, error)
        if isinstance(message, list) and message:
            answers = [self._take(member, line) for member in message]
            return all(answers)
        return self._take(message, line)

    def finish(self, end: End, code: str = "ended") -> None:
        """Everything waiting fails with `end.reason`; the first end holds."""
        if self.end:
            return
        self.end, self._over_code = end, code
        for waiting in self._waiting.values():
            fail(waiting.over, self._error())
        self._questions.close()
        self._over.set()

    # Sending

    def _line(self, method: str, params: Mapping[str, Any] | None, number: int) -> bytes:
        self._line_allowed()
        line = frames.encode_request(number, method, params)
        if len(line) - 1 > self._limits.outgoing_line:
            reason = f"The request {method} is {len(line)} bytes long; {self._limits.outgoing_line} are allowed."
            raise SessionError(reason, code="message-too-large")
        return line

    def _line_allowed(self) -> None:
        if self.end:
            raise self._error()

    def _error(self) -> SessionError:
        assert self.end is not None
        return SessionError(
            self.end.reason, terminal=self.end.terminal, retry_after=self.end.retry_after, code=self._over_code
        )

    def _stamped(
        self, params: Mapping[str, Any] | None, token: int | None, caller: Caller | None
    ) -> Mapping[str, Any] | None:
        """`params` with our `_meta`: a caller's token or envelope would be taken for ours."""
        if token is None and not self.envelope and (params is None or "_meta" not in params):
            return params
        given = params or {}
        kept = theirs(given.get("_meta"))
        kept |= self.envelope
        if caller is not None and self.envelope:
            kept |= on_behalf_of(caller)
        if token is not None:
            kept["progressToken"] = token
        rest = {key: value for key, value in given.items() if key != "_meta"}
        return rest | {"_meta": kept} if kept else rest

    async def _room_for(self, future: asyncio.Future[dict[str, Any]]) -> None:
        while self._channel.full and not future.done():
            either: set[asyncio.Future[Any]] = {future, self._channel.room()}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    def _tell(self, method: str, params: Mapping[str, Any] | None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        self._send_if_room(message if params is None else message | {"params": params})

    def _send_if_room(self, message: Mapping[str, Any]) -> None:
        if not self._channel.full and not self.end:
            self._channel.send(frames.encode(message))

    # Receiving

    def _take(self, message: Any, line: bytes) -> bool:
        if not isinstance(message, dict):
            return self._broken(line, ValueError("not an object"))
        method, number = message.get("method"), message.get("id")
        if isinstance(method, str):
            self._understood()
            if number is None:
                self._told(method, _params(message))
            else:
                self._questions.ask(number, method, _params(message))
            return False
        if "id" in message and ("result" in message or "error" in message or _number(number) in self._waiting):
            self._understood()
            return self._answered(number, message)
        return self._broken(line, ValueError("neither a request nor an answer"))

    def _understood(self) -> None:
        self.spoke = True
        self._bad_in_a_row = 0

    def _answered(self, number: Any, message: Mapping[str, Any]) -> bool:
        waiting = self._waiting.get(_number(number))
        if waiting is None or waiting.over.done():
            self.stray += 1
            return False
        result, error = message.get("result"), message.get("error")
        if isinstance(result, dict) and error is None:
            if waiting.take is None or not self._taken(waiting.take, result):
                waiting.over.set_result(result)
            else:
                del self._waiting[_number(number)]
                if waiting.alarm:
                    waiting.alarm.cancel()
        elif isinstance(error, dict) and result is None:
            waiting.over.set_exception(RpcError(error))
        else:
            waiting.over.set_exception(_bad_answer("it must hold an object as either result or error"))
        return True

    def _taken(self, take: Take, result: dict[str, Any]) -> bool:
        """Whether a result went where it belongs; a mistake there must not stop the reading of later lines."""
        try:
            return take(result)
        except Exception as error:
            self._loop.call_exception_handler({"message": "the taker of a result failed", "exception": error})
            return False

    def _broken(self, line: bytes, error: ValueError) -> bool:
        number = frames.id_in_broken(line)
        waiting = self._waiting.get(number) if number is not None else None
        if waiting:
            fail(waiting.over, _bad_answer(_plain(error)))
        self.skipped += 1
        self._bad_in_a_row += 1
        if len(self.bad_lines) < self._limits.bad_lines_kept:
            shown = self._hide(line.decode("utf-8", "replace"))[: self._limits.shown]
            self.bad_lines = (*self.bad_lines, shown)
        if self._bad_in_a_row >= self._limits.bad_lines:
            text = (
                f"It printed {self._bad_in_a_row} lines in a row that are no JSON-RPC, the first: {self.bad_lines[0]}"
            )
            self.finish(End(text), "bad-output")
        return waiting is not None

    def _told(self, method: str, params: Mapping[str, Any]) -> None:
        match method:
            case "notifications/progress":
                self._progress(params)
            case "notifications/cancelled":
                self._withdrawn(params.get("requestId"))
            case "notifications/subscriptions/acknowledged":
                return
            case _:
                self._guarded(self._pass_on, method, params)

    def _pass_on(self, method: str, params: Mapping[str, Any]) -> None:
        if not self._callers.tell(method, params):
            self._on_notification(method, params)

    def _progress(self, params: Mapping[str, Any]) -> None:
        waiting = self._waiting.get(_number(params.get("progressToken")))
        if waiting is None or waiting.on_progress is None:
            self.stray += 1
            return
        self._guarded(waiting.on_progress, params)

    def _withdrawn(self, number: Any) -> None:
        """The server takes back its question, or ends a stream that it answers with silence."""
        waiting = self._waiting.get(_number(number))
        if not self._questions.withdraw(number) and waiting:
            fail(waiting.over, RpcError({"code": BUSY, "message": "The server cancelled the request"}))

    def _guarded(self, callback: Callable[..., None], *arguments: Any) -> None:
        """A listener's mistake is the listener's: it must not stop the reading of later lines."""
        try:
            callback(*arguments)
        except Exception as error:
            self._loop.call_exception_handler({"message": "a session's listener failed", "exception": error})


def _params(message: Mapping[str, Any]) -> Mapping[str, Any]:
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def _number(value: Any) -> int:
    """The number of a request of ours; servers may give it back as text. Otherwise one that never waits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if type(value) is int else 0


def _bad_answer(what: str) -> RpcError:
    return RpcError({"code": INTERNAL_ERROR, "message": f"The server's answer cannot be used: {what}"})


def _plain(error: ValueError) -> str:
    """The reason without the data that a UnicodeError would quote."""
    return "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)
