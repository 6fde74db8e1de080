"""One connection: deadlines, a cap on their number and on the size of a request's head, around uvicorn's parsers.

uvicorn by itself waits for ever for a head that does not end, and its faster parser takes one of any size.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.faces.http.full import Full
from reconciler.faces.http.limits import Limits
from reconciler.faces.http.one_write import OneWrite
from reconciler.faces.http.turns import BEHIND, PIECE, Turns
from reconciler.faces.http.unread import Unread
from reconciler.store.peer import peer_uid


class GuardConfig(uvicorn.Config):
    """uvicorn's configuration, and ours beside it. `local`: the owner's socket, for nobody else."""

    def __init__(self, app: Any, *, limits: Limits, local: bool, full: Full, **settings: Any) -> None:
        super().__init__(app, **settings)
        self.limits = limits
        self.local = local
        self.full = full
        self.strangers: dict[Guard, None] = {}
        """The connections that never asked anything, the oldest first."""


class Guard(asyncio.Protocol):
    """What a parser of uvicorn's gets in front of it."""

    config: Any
    connections: set[Any]
    cycle: Any
    flow: Turns
    transport: Any
    scope: Any
    server_state: Any
    loop: asyncio.AbstractEventLoop
    _unset_keepalive_if_required: Callable[[], None]
    _refused = False
    _waiting_for: Literal["head", "body"] | None = None
    _timer: asyncio.TimerHandle | None = None
    _head_size = 0
    _since = 0.0
    _counted: Any = None
    """The last request that set `_since`."""

    def connection_made(self, transport: Any) -> None:
        self._limits: Limits = self.config.limits
        self.transport = transport
        if self.config.local and peer_uid(transport.get_extra_info("socket")) not in (None, os.getuid()):
            self._refused = True
            transport.close()
        elif self.config.full.is_now(len(self.connections), transport) and not self._make_room():
            self._refuse(b"503 Service Unavailable")
        else:
            self._unread = Unread(transport, self._limits.unread_seconds)
            whole: Any = OneWrite(transport, self._unread)
            super().connection_made(whole)
            self.flow = Turns(self, self._unread)
            self._since = self.loop.time()
            self.config.strangers[self] = None
            self._look(0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        self.config.strangers.pop(self, None)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn forgets to where a connection was reset
        if self.flow is not None:  # it was let in
            self.flow.close()
            self._unread.end()
        self._let_go()

    def _let_go(self) -> None:
        """Hold nothing that holds this: what hangs together in a ring stays until the next search for rings."""
        if self.cycle is None or self.cycle.response_complete:
            self.cycle = self._counted = self.scope = None

    @property
    def silent_since(self) -> float | None:
        """When its last request came, or it did without one; None while one is under way. Pieces of a head are none."""
        return self._since if self._awaits_head() and not self.waits else None

    def _make_room(self) -> bool:
        """Hang up where it is missed least: who never asked anything, else who is silent longest."""
        strangers = self.config.strangers
        latest = self.loop.time() - (self._limits.crowded_seconds if len(strangers) < self._limits.crowd else 0)
        one: Guard | None = next(iter(strangers), None)
        if one is None:
            mine = [each for each in self.connections if isinstance(each, Guard)]  # the others are sockets
            one = min(mine, key=lambda each: each.silent_since or math.inf, default=None)
        if one is None or (one.silent_since or math.inf) > latest:
            return False
        strangers.pop(one, None)
        self.connections.discard(one)
        one._give_up()
        if one.transport.get_write_buffer_size():
            one.transport.abort()
        return True

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            self.flow.add(data)

    def on_response_complete(self) -> None:
        """What came behind the request has its turn; the deadline of a head that has begun runs from now on."""
        super().on_response_complete()  # type: ignore[misc]
        if self._reads_head():
            self._look(self._head_size)
        self.flow.go_on()
        if self.transport.is_closing():
            self._let_go()

    def parse(self, data: bytes) -> None:
        """A head may come in pieces, until its deadline and up to its size."""
        if self._refused:
            return
        in_head = self._awaits_head()
        size = self._head_size + len(data)
        if in_head and size > self._limits.head_bytes:
            self._receive_long(data, self._limits.head_bytes - self._head_size)
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:  # a head ended in it, and another may have begun
            size = len(data)
        self._look(size if in_head else 0)

    def _receive_long(self, data: bytes, room: int) -> None:
        """More than a head may have: it must end within what there is room for. The next one is measured anew."""
        before = self.cycle
        if room:  # h11 takes no bytes for the end
            super().data_received(data[:room])
        if self._reads_head() and self.cycle is not before:
            self._head_size = 0
            Guard.parse(self, data[room:])
        elif self._reads_head():
            self._refuse(b"431 Request Header Fields Too Large")
        elif not self.transport.is_closing():
            super().data_received(data[room:])
            self._look(0)

    def _should_upgrade(self) -> bool:
        """Only to WebSocket; whatever else is offered is ignored, as HTTP allows."""
        upgrade, options = b"", b""
        for name, value in self.scope["headers"]:
            if name == b"upgrade":
                upgrade = value.lower()
            elif name == b"connection":
                options += value.lower() + b","
        asks = upgrade == b"websocket" and b"upgrade" in map(bytes.strip, options.split(b","))
        return asks and self.scope["method"] == "GET" and self.scope["http_version"] == "1.1"

    def handle_websocket_upgrade(self, *request: Any) -> None:
        """From now on the connection is none of ours; before an answer that is under way it would never be told."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(b"400 Bad Request")
            return
        self._refused = True
        self._wait_for(None)
        self.flow.end()
        self.connections.discard(self)
        self.config.strangers.pop(self, None)
        module: Any = importlib.import_module("reconciler.faces.http.websocket")  # 20 ms that most engines never need
        module.WebSocket(self.config, self.server_state, self.transport, _upgraded(self.scope, self._target())).begin()

    def _target(self) -> bytes:
        """The request target as it came."""
        raise NotImplementedError

    def _look(self, size: int) -> None:
        """Time runs while a request is incomplete; what follows one that was answered already counts as a head."""
        self._head_size = size if self._reads_head() else 0
        if self.cycle is not self._counted:
            self._counted, self._since = self.cycle, self.loop.time()
            self.config.strangers.pop(self, None)
        awaited: Literal["head", "body"] | None = None
        if self.waits:
            pass
        elif self._awaits_head():
            awaited = "head"
        elif self.cycle.more_body:
            awaited = "body"
        if awaited != self._waiting_for:
            self._wait_for(awaited)

    def _awaits_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete or self._reads_head()

    @property
    def piece(self) -> int:
        """Bytes that are parsed at a time."""
        return PIECE

    @property
    def waits(self) -> bool:
        """Whether a whole request was not answered yet, or nothing more is wanted: nothing is parsed before that."""
        under_way = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        return under_way or self._refused or self.transport.is_closing()

    def _reads_head(self) -> bool:
        """Whether a head has begun and not ended."""
        raise NotImplementedError

    def _wait_for(self, what: Literal["head", "body"] | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting_for = what
        if what is not None and not self._refused and not self.transport.is_closing():
            seconds = self._limits.head_seconds if what == "head" else self._limits.body_seconds
            self._timer = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: bytes) -> None:
        """Answer without any app, and hang up. Where an answer is under way nothing can be said between."""
        self._refused = True
        self._wait_for(None)
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


class PlainGuard(Guard, H11Protocol):  # type: ignore[misc]  # its flow is ours
    """Around h11, where httptools is not installed."""

    @property
    def piece(self) -> int:
        """It parses one request at a time by itself."""
        return BEHIND

    def parse(self, data: bytes) -> None:
        """uvicorn cannot say that a request is bad where its answer has begun."""
        try:
            super().parse(data)
        except h11.LocalProtocolError:
            self.transport.close()

    def _reads_head(self) -> bool:
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])

    def _target(self) -> bytes:
        target: bytes = self.scope["raw_path"]
        query: bytes = self.scope["query_string"]
        return target + b"?" + query


def _upgraded(scope: Mapping[str, Any], target: bytes) -> dict[str, Any]:
    """The scope of a socket, of that of the request that asks for it."""
    path, _, query = target.partition(b"?")
    return {
        **scope,
        "type": "websocket",
        "scheme": {"https": "wss"}.get(scope["scheme"], "ws"),
        "raw_path": path,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "query_string": query,
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
