"""Clients of the stateless era (2026-07-28): every request stands for itself, questions come back as results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import ref

from reconciler.faces.gateway.arrivals import arrival
from reconciler.faces.gateway.envelope import Envelope, ParamHeaders, envelope_of, unsupported
from reconciler.faces.gateway.exchange import Exchange
from reconciler.faces.gateway.hot import Hot, KnownHead
from reconciler.faces.gateway.listening import Listening
from reconciler.faces.gateway.lists import LISTS, greeting, list_body
from reconciler.faces.gateway.messages import (
    BadMessage,
    Notification,
    Request,
    Written,
    encode,
    error_message,
    fault,
    message_of,
    result_message,
)
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.protocol import (
    HTTP_STATUS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SERVER_INFO_KEY,
    STATELESS_VERSIONS,
)
from reconciler.faces.gateway.reply import Reply
from reconciler.faces.gateway.surface import Surface
from reconciler.faces.gateway.turns import Turns
from reconciler.faces.gateway.watch import Watch
from reconciler.gate.methods import class_of
from reconciler.sessions.envelope import theirs
from reconciler.sessions.frames import Verbatim
from reconciler.sessions.session import RpcError

_ADDED = frozenset({"_meta", "resultType", "contents"})
_REMOVED = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})


class StatelessEra:
    """Everything a client of this era may send; it only ever POSTs."""

    def __init__(self, office: Office, hot: Hot) -> None:
        self._office = office
        self._hot = hot
        self._limits = office.limits
        self._listening = Listening(office)
        self._turns = Turns(office)
        self._param_headers = ParamHeaders()

    async def post(self, exchange: Exchange, place: Place, value: Any) -> None:
        """One message. Raises HttpProblem, BadMessage."""
        message = message_of(value)
        if isinstance(message, Notification):
            await self._acknowledge(exchange)
            return
        if not isinstance(message, Request):
            raise BadMessage(INVALID_REQUEST, "Invalid request: a client of this revision only asks")
        reply = Reply(exchange, self._office.streams, self._limits, place.holds)
        try:
            envelope = envelope_of(exchange, message)
            if message.method == "subscriptions/listen":
                await self._listening.serve(exchange, place, message)
                return
            body = await self._answered(exchange, place, message, envelope, reply)
        except RpcError as error:
            await reply.end(error_message(message.id, error.error), HTTP_STATUS.get(error.code, 200))
        except BaseException:
            await reply.abandon()
            raise
        else:
            if body is None:
                await reply.abandon()
            else:
                await reply.end(body)

    async def _acknowledge(self, exchange: Exchange) -> None:
        """No notification of a client means anything in this era: what it no longer wants, it closes."""
        version = exchange.header(b"mcp-protocol-version")
        if version not in STATELESS_VERSIONS:
            error = unsupported(version or "").error
            await exchange.answer(400, error_message(None, error))
        else:
            await exchange.answer(202, b"", ())

    async def _answered(
        self, exchange: Exchange, place: Place, request: Request, envelope: Envelope, reply: Reply
    ) -> bytes | None:
        """The answer; None when the client went away, which takes its request back."""
        if class_of(request.method) not in ("call", "forward") or request.method in _REMOVED:
            return result_message(request.id, self._own(place, request))
        reply.stay_alive()
        task = asyncio.current_task()
        assert task is not None
        watch = Watch(exchange, task, self._limits.watch)
        try:
            await arrival(place, request)
            if request.method == "tools/call" and not self._param_headers.check(exchange, request, place.surface):
                self._learn(place, request, envelope, reply)
            result = await self._turns.take(place, request, envelope, reply)
            return result_message(request.id, _finished(result, place.surface))
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            task.uncancel()
            return None
        finally:
            watch.stop()

    def _learn(self, place: Place, request: Request, envelope: Envelope, reply: Reply) -> None:
        """Calls of this tool with this envelope may take the short way, if there is nothing else to them."""
        name, meta = request.params.get("name"), request.params["_meta"]
        if isinstance(name, str) and reply.can_be_plain and "progressToken" not in meta and not theirs(meta):
            known = KnownHead(
                self._hot,
                place,
                ref(place.surface),
                lambda result: _finished(result, place.surface),
                envelope.capabilities,
                log_level=envelope.log_level,
                name=name,
                meta=repr(meta),
            )
            place.learn(known)

    def _own(self, place: Place, request: Request) -> Written:
        """What the gateway answers itself."""
        surface = place.surface
        stamp = {SERVER_INFO_KEY: dict(surface.server_info)}
        ending = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "_meta": stamp}
        if request.method in LISTS:
            return b"{", list_body(surface, request.method, request.params), b",", encode(ending)[1:]
        if request.method == "server/discover":
            return (encode({"supportedVersions": list(STATELESS_VERSIONS), **greeting(surface), **ending}),)
        raise fault(METHOD_NOT_FOUND, f"Method not found: {request.method}")


def _finished(result: dict[str, Any], surface: Surface) -> Mapping[str, Any] | Written:
    """A server's result with everything that this era wants in one; what it lacks goes behind the text it came as."""
    if type(result) is Verbatim and result and _ADDED.isdisjoint(result):
        return memoryview(result.text)[:-1], surface.ending
    meta = result.get("_meta")
    kind = result.get("resultType", "complete")
    whole = {**result, "resultType": kind}
    if meta is None or (isinstance(meta, dict) and meta.get(SERVER_INFO_KEY) is None):
        whole["_meta"] = {**(meta or {}), SERVER_INFO_KEY: surface.server_info}
    if "contents" in result and kind == "complete":
        ttl = result.get("ttlMs")
        whole["ttlMs"] = ttl if type(ttl) is int and ttl >= 0 else 0
        whole["cacheScope"] = "private"
    return whole
