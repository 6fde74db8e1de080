"""Listening: the TCP address and the owner's socket, each with its limits, served by uvicorn."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from reconciler.faces.http.full import Full
from reconciler.faces.http.guard import GuardConfig, PlainGuard
from reconciler.faces.http.limits import Limits

LAST_WORDS = 1
"""Seconds that open requests have when the listener ends, before they are ended and again before they are cut off."""
DATE_SECONDS = 1.0
AT_ONCE = 2
"""Connections that are taken in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a certificate chain and its key, PEM."""

    certificate: Path
    key: Path


class Listener(uvicorn.Server):
    """One bound socket and the app behind it: `serve()` lasts until `end()`. Signals are the engine's, not ours."""

    def __init__(
        self,
        app: Any,
        bound: socket.socket,
        *,
        local: bool = False,
        limits: Limits | None = None,
        tls: Tls | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`local`: the owner's unix socket. `say` is told when it is full. Raises OSError, also ssl.SSLError, for TLS
        files that are none."""
        limits = limits or Limits()
        config = GuardConfig(
            app,
            limits=limits,
            local=local,
            full=Full(limits.connections, say),
            http=parser(),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=2 * LAST_WORDS,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        config.load()
        super().__init__(config)
        self._bound = bound
        self._limits = limits
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Take no more connections."""
        self.should_exit = True
        self._ended.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, with a deadline for the handshake of TLS.

        asyncio takes as many connections in one turn as may wait for it: more than there are descriptors, before the
        first is looked at.
        """
        await self.lifespan.startup()
        make = asyncio.get_running_loop().create_server
        deadline = self._limits.head_seconds if self.config.ssl else None
        server = await make(
            self._connection,
            sock=self._bound,
            backlog=AT_ONCE,
            ssl=self.config.ssl,
            ssl_handshake_timeout=deadline,
        )
        self._bound.listen(self.config.backlog)
        self.servers, self.started = [server], True

    async def main_loop(self) -> None:
        """Until `end()`, with the header `Date` kept true. uvicorn looks ten times a second whether it is to end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), DATE_SECONDS)

    def _connection(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def parser() -> type[asyncio.Protocol]:
    """The fastest guarded parser that can be had here."""
    if importlib.util.find_spec("httptools") is None:
        return PlainGuard
    fast: type[asyncio.Protocol] = importlib.import_module("reconciler.faces.http.guard_hot").HotGuard
    return fast
