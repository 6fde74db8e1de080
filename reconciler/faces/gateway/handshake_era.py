"""Clients of the handshake era (2024-11-05 to 2025-11-25): `initialize`, sessions, questions on the call's stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import ref

from reconciler.faces.gateway.arrivals import arrival
from reconciler.faces.gateway.callers import HandshakeCaller
from reconciler.faces.gateway.calls import Job, as_fault, carry_out
from reconciler.faces.gateway.client_session import ClientSession
from reconciler.faces.gateway.exchange import Exchange
from reconciler.faces.gateway.following import followable
from reconciler.faces.gateway.hot import Hot, KnownHead
from reconciler.faces.gateway.lists import LISTS, greeting, list_body
from reconciler.faces.gateway.messages import (
    BadMessage,
    Message,
    Notification,
    Request,
    Response,
    Written,
    batch,
    error_message,
    fault,
    message_of,
    notification,
    result_message,
)
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.protocol import (
    BATCHES,
    CANCELLED,
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LEVELS,
    METHOD_NOT_FOUND,
    SERVER_INFO_KEY,
)
from reconciler.faces.gateway.reply import Reply
from reconciler.faces.gateway.rewrite import rewrite_updated
from reconciler.faces.gateway.streams import EventStream
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Refused
from reconciler.gate.methods import class_of
from reconciler.sessions.rounds import in_rounds
from reconciler.sessions.session import Progress, RpcError
from reconciler.sessions.wishes import UPDATED

_STATELESS_ONLY = ("resultType", "ttlMs", "cacheScope")


class HandshakeEra:
    """Everything a client of this era may send, by HTTP method."""

    def __init__(self, office: Office, hot: Hot) -> None:
        self._office = office
        self._hot = hot
        self._limits = office.limits
        self._sessions = office.sessions

    async def post(self, exchange: Exchange, place: Place, value: Any) -> None:
        """One message, or in 2025-03-26 several. Raises HttpProblem, BadMessage."""
        if isinstance(value, list):
            await self._batch(exchange, place, value)
            return
        message = message_of(value)
        if isinstance(message, Request) and message.method == "initialize":
            await self._initialize(exchange, place, message)
            return
        await self._answer(exchange, place, self._session(exchange, place), message)

    async def once(self, exchange: Exchange, place: Place, value: Any) -> None:
        """One message of a client that began no session: what it leaves behind ends with the answer. It can be told
        and not asked. Raises HttpProblem, BadMessage."""
        message = message_of(value)
        if isinstance(message, Request) and message.method == "initialize":
            await self._initialize(exchange, place, message)
            return
        session = ClientSession(place.principal, place.scope, HANDSHAKE_VERSIONS[-1], {}, self._limits)
        try:
            await self._answer(exchange, place, session, message)
        finally:
            session.close()

    async def _answer(self, exchange: Exchange, place: Place, session: ClientSession, message: Message) -> None:
        if isinstance(message, Request):
            await self._requests(exchange, place, session, [message], whole=False)
        else:
            self._take(place, session, message)
            await exchange.answer(202, b"", ())

    async def get(self, exchange: Exchange, place: Place) -> None:
        """The stream for whatever belongs to no request."""
        if not exchange.accepts.events:
            raise HttpProblem(406, "not-acceptable", "Accept must name text/event-stream")
        session = self._session(exchange, place)
        stream = EventStream(exchange, self._limits, lambda: not session.over and place.holds())
        session.hear(stream)
        try:
            await self._office.streams.serve(exchange, stream)
        finally:
            session.leave(stream)

    async def delete(self, exchange: Exchange, place: Place) -> None:
        """The client ends its session."""
        self._sessions.end(self._session(exchange, place))
        await exchange.answer(204, b"", ())

    def _session(self, exchange: Exchange, place: Place) -> ClientSession:
        number = exchange.header(b"mcp-session-id")
        if number is None:
            raise BadMessage(INVALID_REQUEST, "Bad Request: no Mcp-Session-Id; begin with initialize")
        session = self._sessions.find(number, place.principal, place.scope)
        if session is None:
            raise HttpProblem(404, "no-session", "Session not found: begin anew with initialize")
        return session

    async def _initialize(self, exchange: Exchange, place: Place, request: Request) -> None:
        params = request.params
        wanted, capabilities = params.get("protocolVersion"), params.get("capabilities")
        if not isinstance(wanted, str) or not isinstance(capabilities, dict):
            raise BadMessage(INVALID_PARAMS, "Invalid params: protocolVersion and capabilities are needed", request.id)
        version = wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
        reply = Reply(exchange, self._office.streams, self._limits)
        surface = place.surface
        session = ClientSession(place.principal, place.scope, version, capabilities, self._limits)
        self._sessions.add(session)
        said = {"protocolVersion": version, **greeting(surface), "serverInfo": dict(surface.server_info)}
        headers = ((b"mcp-session-id", session.id.encode()),)
        await reply.end(result_message(request.id, said), headers=headers)

    async def _batch(self, exchange: Exchange, place: Place, values: Sequence[Any]) -> None:
        session = self._session(exchange, place)
        if session.version != BATCHES:
            raise BadMessage(INVALID_REQUEST, "Invalid request: batches are of another revision")
        if not 1 <= len(values) <= self._limits.batch:
            raise BadMessage(INVALID_REQUEST, f"Invalid request: a batch has 1 to {self._limits.batch} messages")
        messages = [message_of(value) for value in values]
        requests = [message for message in messages if isinstance(message, Request)]
        for message in messages:
            if not isinstance(message, Request):
                self._take(place, session, message)
        if requests:
            await self._requests(exchange, place, session, requests, whole=True)
        else:
            await exchange.answer(202, b"", ())

    def _take(self, place: Place, session: ClientSession, message: Notification | Response) -> None:
        """Something that is not answered. A request in the shape of a notification is one, and is not carried out."""
        if isinstance(message, Response):
            session.questions.answer(message)
            return
        match message.method:
            case "notifications/initialized":
                self._begin(session)
            case "notifications/cancelled":
                number = message.params.get("requestId")
                if isinstance(number, str) or type(number) is int:
                    session.cancel(number)

    def _begin(self, session: ClientSession) -> None:
        """From now on the client is told when what it sees has changed."""
        if session.initialized:
            return
        session.initialized = True

        def changed(kinds: frozenset[str]) -> None:
            for kind in sorted(kinds):
                session.tell(f"notifications/{kind}/list_changed", {})

        session.at_end("changes", self._office.surfaces.listen(session.scope, changed))

    async def _requests(
        self, exchange: Exchange, place: Place, session: ClientSession, requests: Sequence[Request], *, whole: bool
    ) -> None:
        """Answer requests that came together. A client that goes away takes none of them back, as the era wants it."""
        reply = Reply(exchange, self._office.streams, self._limits, lambda: not session.over and place.holds())
        reply.stay_alive()
        try:
            if whole:
                answers = await asyncio.gather(
                    *(asyncio.create_task(self._member(place, session, request, reply)) for request in requests)
                )
                body = batch(answers)
            else:
                body = await self._one(place, session, requests[0], reply)
        except BaseException:
            await reply.abandon()
            raise
        await reply.end(body)

    async def _member(self, place: Place, session: ClientSession, request: Request, reply: Reply) -> bytes:
        """The answer to one request of a batch: the others have theirs, whatever is wrong with this one."""
        try:
            return await self._one(place, session, request, reply)
        except BadMessage as bad:
            return error_message(bad.id, bad.error)

    async def _one(self, place: Place, session: ClientSession, request: Request, reply: Reply) -> bytes:
        """The answer to one request."""
        task = asyncio.current_task()
        assert task is not None
        if not session.takes(request.id, place.begun):
            raise BadMessage(INVALID_REQUEST, "Invalid request: this id is in use, or too many are", request.id)
        session.running[request.id] = task
        caller = HandshakeCaller(session, reply, self._limits)
        try:
            return result_message(request.id, await self._result(place, session, request, reply, caller))
        except RpcError as error:
            return error_message(request.id, error.error)
        except asyncio.CancelledError:
            if request.id not in session.withdrawn:
                raise
            task.uncancel()
            return error_message(request.id, {"code": CANCELLED, "message": "Request cancelled"})
        finally:
            del session.running[request.id]
            session.withdrawn.discard(request.id)
            caller.close()

    async def _result(
        self, place: Place, session: ClientSession, request: Request, reply: Reply, caller: HandshakeCaller
    ) -> Mapping[str, Any] | Written:
        match class_of(request.method):
            case "call" | "forward":
                if request.method in ("resources/subscribe", "resources/unsubscribe"):
                    return self._follow(place, session, request)
                return await self._forwarded(place, session, request, reply, caller)
            case "gateway":
                return self._own(place, session, request)
            case _:
                raise fault(METHOD_NOT_FOUND, f"Method not found: {request.method}")

    def _own(self, place: Place, session: ClientSession, request: Request) -> Mapping[str, Any] | Written:
        """What the gateway answers itself."""
        if request.method in LISTS:
            return b"{", list_body(place.surface, request.method, request.params), b"}"
        match request.method:
            case "ping":
                return {}
            case "logging/setLevel":
                return self._set_level(place, session, request.params.get("level"))
            case "initialize":
                raise fault(INVALID_REQUEST, "Invalid request: the session is initialized")
            case _:
                raise fault(METHOD_NOT_FOUND, f"Method not found: {request.method}")

    def _set_level(self, place: Place, session: ClientSession, level: Any) -> Mapping[str, Any]:
        if level not in LEVELS:
            raise fault(INVALID_PARAMS, f"Invalid params: a level is one of {', '.join(LEVELS)}")
        session.log_level = level
        logs = self._office.desk(place.scope.project).logs
        logs.hear(session)
        session.at_end("logs", lambda: logs.leave(session))
        return {}

    def _follow(self, place: Place, session: ClientSession, request: Request) -> Mapping[str, Any]:
        """`resources/subscribe` and its opposite; both may be said again."""
        uri = request.params.get("uri")
        if request.method == "resources/unsubscribe":
            session.unfollow(str(uri))
            return {}
        target = followable(place.scope, place.surface, uri)
        try:
            place.scope.project.gate.check(place.principal, target.server, request.method, {"uri": target.name})
        except Refused as refused:
            raise as_fault(place.scope, refused) from refused

        def hear(params: Mapping[str, Any]) -> None:
            session.tell(UPDATED, rewrite_updated(place.scope, target.server, params))

        following = self._office.desk(place.scope.project).following
        session.follow(str(uri), lambda: following.follow(target, hear))
        return {}

    async def _forwarded(
        self, place: Place, session: ClientSession, request: Request, reply: Reply, caller: HandshakeCaller
    ) -> Mapping[str, Any]:
        """A server's result. Where it is a question, the client is asked and the server hears the answers."""
        await arrival(place, request)
        progress = _progress(request.params, reply)
        if request.method == "tools/call" and reply.can_be_plain:
            place.learn(KnownHead(self._hot, place, ref(place.surface), plain, session.capabilities, session))

        async def send(params: Mapping[str, Any]) -> dict[str, Any]:
            return await carry_out(
                Job(
                    place.scope,
                    place.surface,
                    place.principal,
                    request.method,
                    params,
                    caller,
                    progress,
                    place.take_begun(),
                )
            )

        return plain(await in_rounds(send, caller.ask, request.params))


def _progress(params: Mapping[str, Any], reply: Reply) -> Progress | None:
    """Where progress goes: to the client's token, if it gave one."""
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    if not reply.can_stream or not (isinstance(token, str) or type(token) is int):
        return None

    def tell(news: Mapping[str, Any]) -> None:
        reply.say(notification("notifications/progress", {**news, "progressToken": token}))

    return tell


def plain(result: dict[str, Any]) -> Mapping[str, Any]:
    """A result without what only the stateless era has: what a client of this era is given."""
    if "resultType" not in result:
        return result
    plain = {key: value for key, value in result.items() if key not in _STATELESS_ONLY}
    meta = plain.get("_meta")
    if isinstance(meta, dict) and SERVER_INFO_KEY in meta:
        plain["_meta"] = {key: value for key, value in meta.items() if key != SERVER_INFO_KEY}
        if not plain["_meta"]:
            del plain["_meta"]
    return plain
