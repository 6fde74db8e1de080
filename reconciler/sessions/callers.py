"""Whose a server's question is: attributed by the requests in flight on a session, and declined where nobody can tell.

One session serves many clients, and a question names none of them. Where the transport tells which request a question
came with, that request's caller is asked. Otherwise all requests in flight must be of one client.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from reconciler.sessions.forms import with_defaults
from reconciler.sessions.session import Caller, DeadlineExceeded, RpcError

METHOD_NOT_FOUND = -32601
NOBODY = -32000
QUESTION_SECONDS = 600.0
"""How much longer than its deadline a request may take, for the time that its questions are open."""
QUESTIONS_EACH = 100
"""Of one request; further ones are refused: a server that asks without end is not to wear a person out."""
ASKED = frozenset({"elicitation/create", "sampling/createMessage", "roots/list"})
THINKING_SECONDS = 5.0
"""A question that is open for longer waits for a person: other clients then go on without turns."""
_CALLS = frozenset({"tools/call", "prompts/get", "resources/read", "completion/complete"})
"""Requests with which a server asks back; what we ask of our own accord (lists, pings) does not count."""
_AMBIGUOUS = "cannot tell which client this question belongs to"
_NOBODY = "there is no client to ask: nothing that a client asked for is in flight"
_TOO_OFTEN = f"more than {QUESTIONS_EACH} questions for one request"
_OVER = "the request that this question belongs to is over"


class Flight(ABC):
    """One request in flight. `over` is done when it is answered or given up; what it says does not matter here."""

    method: str
    caller: Caller | None = None
    over: asyncio.Future[Any]
    asked = 0
    """So many questions were put to its caller."""
    _open = 0
    _since = 0.0
    _allowance = QUESTION_SECONDS

    @property
    @abstractmethod
    def deadline(self) -> float | None:
        """In loop time, None for none."""

    @abstractmethod
    def move(self, deadline: float) -> None:
        """Give up then, and not when it was said before."""

    def hold(self, now: float) -> None:
        """A question is open: the deadline does not run."""
        self._open += 1
        deadline = self.deadline
        if self._open == 1 and deadline is not None:
            self._since = now
            self.move(deadline + self._allowance)

    def release(self, now: float) -> None:
        """A question is no longer open: the deadline runs again, from where it stood."""
        self._open -= 1
        deadline = self.deadline
        if self._open == 0 and deadline is not None and not self.over.done():
            unused = self._allowance - (now - self._since)
            self._allowance = unused
            self.move(deadline - unused)


class Callers:
    """Who can be asked on one session. `flights` are its requests in flight, the oldest first."""

    def __init__(self, flights: Callable[[], Iterable[Flight]]) -> None:
        self._flights = flights
        self._turns: Turns | None = None
        self._thinking = 0

    @property
    def take_turns(self) -> bool:
        """Whether the server has asked where nobody could tell whom: `turn` then lets it do so once only."""
        return self._turns is not None

    async def answer(self, method: str, params: Mapping[str, Any], flight: Flight | None = None) -> dict[str, Any]:
        """What a client answers to a server's request. `flight` is what it came with, where that is known.

        Raises RpcError for whatever else the server is to hear.
        """
        if method not in ASKED:
            raise RpcError({"code": METHOD_NOT_FOUND, "message": f"Method not found: {method}"})
        whose = self._whose(flight)
        if whose is None:
            self._begin_turns()
            return _refusal(method, "decline", _AMBIGUOUS)
        if not whose:
            return _refusal(method, "decline", _NOBODY)
        with self._open():
            return await _ask(whose, method, params)

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Around a question. When it stays open, nobody waits for a turn any more: a person may take minutes."""
        thinking = False

        def think() -> None:
            nonlocal thinking
            thinking = True
            self._thinking += 1
            if self._turns is not None:
                self._turns.look()

        timer = asyncio.get_running_loop().call_later(THINKING_SECONDS, think)
        try:
            yield
        finally:
            timer.cancel()
            self._thinking -= thinking

    def tell(self, method: str, params: Mapping[str, Any], flight: Flight | None = None) -> bool:
        """Pass on a log message to the caller whose it is; False where that is nobody, or anybody."""
        whose = self._whose(flight) if method == "notifications/message" else None
        if not whose:
            return False
        _caller(whose[-1]).tell(method, params)
        return True

    @asynccontextmanager
    async def turn(self, caller: Caller, timeout: float) -> AsyncIterator[None]:
        """Around a request, once `take_turns`: those of another client that can be asked wait until this is over.

        Raises DeadlineExceeded after `timeout` seconds of waiting.
        """
        if self._turns is None or not can_be_asked(caller):
            yield
            return
        try:
            async with asyncio.timeout(timeout):
                await self._turns.take(caller.key)
        except TimeoutError:
            raise DeadlineExceeded(
                f"This server asks questions, so its clients take turns; none came within {timeout:.3g} s."
            ) from None
        try:
            yield
        finally:
            self._turns.give_back()

    def _whose(self, flight: Flight | None) -> list[Flight] | None:
        """The requests of the one client that a message can belong to, oldest first; None when it may be several."""
        if flight is not None:
            return [flight] if flight.caller is not None and not flight.over.done() else []
        found: list[Flight] = []
        for each in self._flights():
            if each.over.done() or (each.caller is None and each.method not in _CALLS):
                continue
            if found and not _of_one_client(found[0], each):
                return None
            found.append(each)
        return found if found and found[0].caller is not None else []

    def _begin_turns(self) -> None:
        if self._turns is None and any(each.caller and can_be_asked(each.caller) for each in self._flights()):
            self._turns = Turns(lambda: self._thinking > 0)


class Turns:
    """Lets those with the same key in together, and those with different keys one after the other, as they came.

    While `free` holds nobody waits; whoever makes it hold calls `look`.
    """

    def __init__(self, free: Callable[[], bool] = lambda: False) -> None:
        self._free = free
        self._key: object = None
        self._inside = 0
        self._queue: deque[tuple[object, asyncio.Future[None]]] = deque()

    async def take(self, key: object) -> None:
        """Wait until it is the turn of `key`."""
        if self._free() or not self._inside or (not self._queue and self._key == key):
            self._enter(key)
            return
        called = asyncio.get_running_loop().create_future()
        self._queue.append((key, called))
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self.give_back()
            else:
                self._queue.remove((key, called))
                self.look()
            raise

    def give_back(self) -> None:
        """One of those inside has left."""
        self._inside -= 1
        self.look()

    def look(self) -> None:
        """Let in whoever need not wait."""
        while self._queue and (self._free() or not self._inside or self._queue[0][0] == self._key):
            key, called = self._queue.popleft()
            self._enter(key)
            called.set_result(None)

    def _enter(self, key: object) -> None:
        alone = not self._inside or self._key == key
        self._key, self._inside = key if alone else object(), self._inside + 1


def _of_one_client(one: Flight, other: Flight) -> bool:
    if one.caller is None or other.caller is None:
        return one.caller is other.caller
    return one.caller.key == other.caller.key


def can_be_asked(caller: Caller) -> bool:
    """Whether that client declared any of what a server can ask for."""
    return any(name in caller.capabilities for name in ("elicitation", "sampling", "roots"))


async def _ask(flights: list[Flight], method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the newest; when its request is over first, the question was another's. Their deadlines stand meanwhile."""
    loop = asyncio.get_running_loop()
    for flight in flights:
        flight.hold(loop.time())
    try:
        for flight in reversed(flights):
            answer = await _ask_one(flight, method, params)
            if answer is not None:
                return with_defaults(params, answer) if method == "elicitation/create" else answer
    finally:
        for flight in flights:
            flight.release(loop.time())
    return _refusal(method, "cancel", _OVER)


async def _ask_one(flight: Flight, method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The client's answer; None when the request ends before there is one."""
    if flight.over.done():
        return None
    flight.asked += 1
    if flight.asked > QUESTIONS_EACH:
        return _refusal(method, "cancel", _TOO_OFTEN)
    asking = asyncio.ensure_future(_caller(flight).ask(method, params))
    try:
        either: set[asyncio.Future[Any]] = {asking, flight.over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() and not asking.cancelled() else None
    finally:
        asking.cancel()
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())


def _caller(flight: Flight) -> Caller:
    assert flight.caller is not None, "only requests of callers are asked about"
    return flight.caller


def _refusal(method: str, action: str, why: str) -> dict[str, Any]:
    """The answer to a question that no client answers. Raises RpcError where the method knows no such answer."""
    if method == "elicitation/create":
        return {"action": action}
    raise RpcError({"code": NOBODY, "message": f"mcp-reconciler: {why}"})
