"""The listeners of an engine: the owner's socket, and the TCP address that clients use."""

from __future__ import annotations

import asyncio
import errno
import socket as sockets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from reconciler.engine.host import Host
from reconciler.faces.api.config import endpoint as config
from reconciler.faces.api.connect import endpoint as connect
from reconciler.faces.api.list_servers import endpoint as list_servers
from reconciler.faces.api.own import endpoint as own
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.front import Front
from reconciler.faces.cli.listening import Listening
from reconciler.faces.cli.paths import FaceName
from reconciler.faces.gateway.endpoint import Gateway
from reconciler.faces.http.access import LOCAL, Door, Failures
from reconciler.faces.http.address import DEFAULT_HOST, DEFAULT_PORT, HIGHEST_PORT, Address, bind, bind_local
from reconciler.faces.http.face import Face
from reconciler.faces.http.listener import LAST_WORDS, Listener, Tls
from reconciler.faces.page import face as page
from reconciler.store.files import write_whole
from reconciler.store.state_dir import StateDir


@asynccontextmanager
async def open_listeners(host: Host, listening: Listening) -> AsyncIterator[None]:
    """Listen, and write down where. Raises Stop where the address that was named cannot be had."""
    failures = Failures()
    names: dict[str, Any] = {"public_url": listening.public_url, "hosts": listening.names, "failures": failures}
    faces = all_faces(host, Gateway(host))
    fronts = [Front(host, Door(local=local, **names), faces) for local in (True, False)]
    remote = None if listening.is_off else _tcp(host, listening, fronts[1])
    path = host.root.state.socket
    local = Listener(fronts[0], bind_local(path), local=True, say=partial(_say, host))
    listeners = [local, remote] if remote else [local]
    serving = [asyncio.create_task(listener.serve()) for listener in listeners]
    host.announce(path)
    try:
        yield
    finally:
        for listener in listeners:
            listener.end()
        await asyncio.wait(serving, timeout=LAST_WORDS)
        for front in fronts:
            front.end()
        await asyncio.gather(*serving, return_exceptions=True)
        path.unlink(missing_ok=True)


def all_faces(host: Host, gateway: Gateway) -> Mapping[FaceName, Face]:
    """Every face that a front can send a request to."""
    return {
        "gateway": Face(gateway, local=LOCAL),
        "own": own.face(host),
        "config": config.face(host),
        "list_servers": list_servers.face(host),
        "connect": connect.face(host, gateway),
        "page": page.face(host),
    }


def _tcp(host: Host, listening: Listening, front: Front) -> Listener:
    """The TCP listener; from now on the engine knows its own URL."""
    tls = Tls(listening.certificate, listening.key) if listening.certificate and listening.key else None
    bound, address = _bind(host, listening)
    url = listening.public_url or address.url("https" if tls else "http")
    host.facts = replace(host.facts, url=url.rstrip("/"))
    try:
        return Listener(front, bound, tls=tls, say=partial(_say, host))
    except OSError as error:  # ssl.SSLError is one
        bound.close()
        message = f"TLS cannot be set up: {error.strerror or error}"
        raise Stop(Exit.USAGE, "bad-tls", message, "--tls-cert and --tls-key name PEM files") from error


def _bind(host: Host, listening: Listening) -> tuple[sockets.socket, Address]:
    """The socket that was asked for. Without an address it is the one that this project had to take before, so that its
    clients find it; else the usual one; else a free one, which is remembered."""
    if listening.address is not None:
        return _bind_at(listening.address)
    state = host.root.state
    for port in (*_remembered(state), DEFAULT_PORT):
        try:
            return bind(Address(DEFAULT_HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _cannot_listen(Address(DEFAULT_HOST, port), error) from error
    bound, address = _bind_at(Address(DEFAULT_HOST, 0))
    write_whole(state.port_file, f"{address.port}\n", mode=0o600)
    _say(host, f"port {DEFAULT_PORT} is taken: the engine listens on {address.url()}, also from now on")
    return bound, address


def _say(host: Host, message: str) -> None:
    for project in host.projects.values():
        project.events.say("listening", message)


def _bind_at(address: Address) -> tuple[sockets.socket, Address]:
    try:
        return bind(address)
    except OSError as error:
        raise _cannot_listen(address, error) from error


def _cannot_listen(address: Address, error: OSError) -> Stop:
    message = f"cannot listen on {address.host} port {address.port}: {error.strerror}"
    hint = f"--listen {address.host}:0 takes any free port, --listen none does without"
    return Stop(Exit.SYSTEM, "cannot-listen", message, hint)


def _remembered(state: StateDir) -> tuple[int, ...]:
    with suppress(OSError, ValueError):
        port = int(state.port_file.read_text(encoding="ascii"))
        return (port,) if 0 < port <= HIGHEST_PORT else ()
    return ()
