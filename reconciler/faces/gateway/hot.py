"""Calls that need nothing but to be passed on: taken from the connection, sent, and answered, without a task.

What is assumed of a head that came before, byte for byte, on the same connection: the same door (Host, Origin), token,
path, client session and version, accepted forms, and (stateless era) tool and envelope. All of these are read from the
head alone, but for the envelope, which is compared as text. What they lead to can change: that the token was taken
back, the session ended, or the endpoint shows anything else is looked up for every call (`_holds`, `takes`), and the
gate decides every call anew. Whatever is not plain goes the usual way before anything was done.

A call that takes longer than a moment, whose client goes away, that asks or tells something on its way, or that ends in
any way but with a result, goes on in the usual way: it was begun, and is not sent again. Until it is taken up there it
keeps its body, the room for it, and its place among the requests of its session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import ReferenceType

from reconciler.faces.gateway.client_session import ClientSession
from reconciler.faces.gateway.messages import BadMessage, Id, Written, fault, read_body, result_message
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.protocol import UNAVAILABLE
from reconciler.faces.gateway.rewrite import rewrite
from reconciler.faces.gateway.scope import NotHere, Target
from reconciler.faces.gateway.surface import Surface
from reconciler.faces.http.hot import Line
from reconciler.gate.gate import Principal
from reconciler.gate.showing import RESULT_TOOL_NAME
from reconciler.sessions.session import Caller, Sent

Finish: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any] | Written]
"""What an era makes of a server's final result. Raises NotHere."""


class Hot:
    """The calls in flight that were taken so. `limits.watch` seconds are a moment."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._calls: dict[HotCall, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        office.at_revocation.append(self._revoked)

    def add(self, call: HotCall) -> None:
        """Look after a call."""
        loop = asyncio.get_running_loop()
        self._calls[call] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.office.limits.watch, self._look)

    def remove(self, call: HotCall) -> None:
        """It is over, or goes on in the usual way."""
        self._calls.pop(call, None)

    def _revoked(self, principal: Principal) -> None:
        """The usual way knows how to refuse."""
        for call in tuple(self._calls):
            if call.principal is principal:
                call.hand_over()

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        late = loop.time() - self.office.limits.watch
        for call, since in tuple(self._calls.items()):
            if since > late:  # the oldest come first
                break
            call.hand_over()
        if self._calls and self._timer is None:
            self._timer = loop.call_later(self.office.limits.watch, self._look)


@dataclass(frozen=True, slots=True, eq=False)
class KnownHead:
    """What was learnt of a head: who asks, for which endpoint, as whom, and what that endpoint showed then.

    `session` in the handshake era. In the stateless one the head names a tool and repeats an envelope: `name`, and
    `meta` as `repr` writes it, because 1, 1.0 and true are equal otherwise.
    """

    hot: Hot
    place: Place
    surface: ReferenceType[Surface]
    finish: Finish
    capabilities: Mapping[str, Any]
    session: ClientSession | None = None
    log_level: str | None = None
    name: str | None = None
    meta: str | None = None

    def begin(self, body: bytes, line: Line) -> HotCall | None:
        """As `http.hot.Known` wants it."""
        surface = self._holds(len(body))
        asked = self._read(body) if surface is not None else None
        if surface is None or asked is None:
            return None
        number, name, arguments = asked
        target = surface.tool(name)
        if target is None or (self.session is not None and not self.session.takes(number)):
            return None
        call = HotCall(self, line, number, target, body)
        gate = self.place.scope.project.gate
        sent = gate.at_once(self.place.principal, target.server, target.name, arguments, call, call.take)
        if sent is None:
            return None
        call.begin(sent)
        return call

    def _holds(self, size: int) -> Surface | None:
        """What the endpoint shows, if all that was learnt is still so and there is room for the request."""
        office = self.hot.office
        if office.host.stopping.is_set() or id(self.place.principal) in office.revoked:
            return None
        if size > office.limits.body or not office.room.has(size):
            return None
        try:
            surface = self.place.surface
        except NotHere:
            return None
        return surface if surface is self.surface() else None

    def _read(self, body: bytes) -> tuple[Id, str, dict[str, Any]] | None:
        """Id, visible name and arguments of a call and nothing else; None for whatever the eras have to look at."""
        try:
            value = read_body(body, self.hot.office.limits.depth)
        except BadMessage:
            return None
        if not isinstance(value, dict) or value.get("method") != "tools/call" or value.get("jsonrpc") != "2.0":
            return None
        number, params = value.get("id"), value.get("params")
        if not (type(number) is int or isinstance(number, str)) or not isinstance(params, dict):
            return None
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str) or name == RESULT_TOOL_NAME or not isinstance(arguments, dict):
            return None
        if self.session is not None:
            return (number, name, arguments) if len(params) == 2 else None
        plain = len(params) == 3 and name == self.name and repr(params.get("_meta")) == self.meta
        return (number, name, arguments) if plain else None


class HotCall:
    """One call. It is the Caller of its request, and what a connection, a session or an era holds of it."""

    __slots__ = ("_body", "_caller", "_cancelled", "_held", "_known", "_line", "_number", "_sent", "_target", "_told")

    def __init__(self, known: KnownHead, line: Line, number: Id, target: Target, body: bytes) -> None:
        self._known = known
        self._line: Line | None = line
        self._number = number
        self._target = target
        self._body = body
        self._held = 0
        self._sent: Sent | None = None
        self._cancelled = False
        self._caller: asyncio.Future[Caller] | None = None
        """Whom the usual way has for it, once it goes that way."""
        self._told: list[tuple[str, Mapping[str, Any]]] = []

    def begin(self, sent: Sent) -> None:
        """It was sent."""
        self._sent = sent
        sent.over.add_done_callback(self._ended)
        known = self._known
        self._held = len(self._body)
        known.hot.office.room.take(self._held)
        if known.session is not None:
            known.session.running[self._number] = self
            known.hot.office.sessions.touch(known.session)
        known.hot.add(self)

    @property
    def principal(self) -> Principal:
        """Who made it."""
        return self._known.place.principal

    # What the session below wants

    @property
    def key(self) -> object:
        return self._known.session or self

    @property
    def capabilities(self) -> Mapping[str, Any]:
        return self._known.capabilities

    @property
    def log_level(self) -> str | None:
        session = self._known.session
        return self._known.log_level if session is None else session.log_level

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """As `Caller.ask`; whoever takes the call over is asked."""
        self.hand_over()
        if self._caller is None:
            raise fault(UNAVAILABLE, "The client has gone away")
        return await (await asyncio.shield(self._caller)).ask(method, params)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """As `Caller.tell`."""
        self.hand_over()
        if self._caller is not None and self._caller.done():
            self._caller.result().tell(method, params)
        else:
            self._told.append((method, params))

    def take(self, result: dict[str, Any]) -> bool:
        """The result, the moment it was read: the answer, unless there is more to it."""
        line, known = self._line, self._known
        if line is None or result.get("resultType") == "input_required":
            return False
        try:
            whole = known.finish(rewrite(known.place.scope, self._target.server, result))
        except NotHere:
            return False
        message = result_message(self._number, whole)
        self._line = None
        known.hot.remove(self)
        self._release()
        line.answer(message)
        return True

    def _ended(self, _: asyncio.Future[dict[str, Any]]) -> None:
        """It ended otherwise, or its result was not all."""
        self.hand_over()

    # What the usual way wants

    def cancel(self) -> None:
        """The client takes it back by a notification."""
        self._cancelled = True
        self.hand_over()

    def hand_over(self) -> None:
        """From here on it goes the usual way."""
        line, self._line = self._line, None
        if line is not None:
            self._known.hot.remove(self)
            self._caller = asyncio.get_running_loop().create_future()
            line.hand_over(self)

    def take_body(self) -> bytes:
        """What the client sent. Whoever takes it holds the room for it from now on."""
        self._held = 0
        return self._body

    async def go_on(self, caller: Caller) -> dict[str, Any]:
        """The raw result, for whoever took it over. Raises as `Session.request` does."""
        assert self._sent is not None
        assert self._caller is not None
        self._caller.set_result(caller)
        for method, params in self._told:
            caller.tell(method, params)
        if self._cancelled:
            self._sent.drop()
            raise asyncio.CancelledError
        result = await self._sent.result()
        return rewrite(self._known.place.scope, self._target.server, result)

    def drop(self) -> None:
        """Nobody took it over."""
        self._release()
        if self._caller is not None and not self._caller.done() and self._sent is not None:
            self._caller.set_exception(fault(UNAVAILABLE, "The client has gone away"))
            self._caller.exception()
            self._sent.drop()

    def _release(self) -> None:
        """Hold nothing any more."""
        session = self._known.session
        self._known.hot.office.room.give_back(self._held)
        self._held = 0
        if session is not None and session.running.get(self._number) is self:
            del session.running[self._number]
            session.withdrawn.discard(self._number)
