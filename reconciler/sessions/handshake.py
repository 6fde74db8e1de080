"""Find out which era a server speaks and greet it accordingly. Reads and writes: a PipeSession that is just open."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.sessions.envelope import STATELESS_VERSION, client_info, envelope
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import CLIENT_CAPABILITIES, Era, Handshake, RpcError, SessionError

HANDSHAKE_VERSION = "2025-11-25"
HANDSHAKE_VERSIONS = frozenset({"2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", HANDSHAKE_VERSION})
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
UNSUPPORTED_VERSION = -32022


async def greet(session: PipeSession, *, era: Era | None, patience: float) -> None:
    """Set `session.handshake`, whichever era the server speaks.

    One that says nothing to the probe for `patience` seconds is greeted the old way too. `era` is what this server
    spoke last time: "handshake" skips the probe, which old servers may not survive. Waits for ever otherwise: the
    deadline of the start is the caller's. Raises SessionError.
    """
    try:
        session.handshake = await (_initialize(session) if era == "handshake" else _either(session, patience))
    except RpcError as error:
        raise SessionError(f"It refused the handshake: {error}", code="handshake") from error


async def _either(session: PipeSession, patience: float) -> Handshake:
    probe = asyncio.create_task(_discover(session))
    try:
        await asyncio.wait({probe}, timeout=patience)
        if probe.done():
            return probe.result() or await _initialize(session)
        return await _first_to_answer(session, probe)
    finally:
        _drop(probe)


async def _first_to_answer(session: PipeSession, probe: asyncio.Task[Handshake | None]) -> Handshake:
    """A slow server answers the probe after all; an old one only ever answers `initialize`."""
    old_way = asyncio.create_task(_initialize(session))
    try:
        await asyncio.wait({probe, old_way}, return_when=asyncio.FIRST_COMPLETED)
        if probe.done() and (found := probe.result()):
            session.envelope = envelope()
            return found
        return await old_way
    finally:
        _drop(old_way)


def _drop(task: asyncio.Task[Any]) -> None:
    """No longer wanted, nor is its error."""
    task.cancel()
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _discover(session: PipeSession) -> Handshake | None:
    """The stateless era, or None where the answer is no evidence of it."""
    session.envelope = envelope()
    try:
        result = await session.request("server/discover", {}, timeout=math.inf, cancellable=False)
    except RpcError as error:
        _refuse_strangers(error)
        return None
    if STATELESS_VERSION not in _texts(result.get("supportedVersions")):
        return None
    return Handshake(
        era="stateless",
        protocol_version=STATELESS_VERSION,
        server_info=_object(_object(result.get("_meta")).get(SERVER_INFO_KEY)) or None,
        capabilities=_object(result.get("capabilities")),
        instructions=_text(result.get("instructions")),
    )


def _refuse_strangers(error: RpcError) -> None:
    """A server that names its versions and shares none with us stays a stranger until it changes."""
    supported = _texts(_object(error.error.get("data")).get("supported"))
    known = {STATELESS_VERSION, *HANDSHAKE_VERSIONS}
    if error.code == UNSUPPORTED_VERSION and supported and known.isdisjoint(supported):
        raise _stranger(", ".join(supported))


async def _initialize(session: PipeSession) -> Handshake:
    session.envelope = {}
    params = {
        "protocolVersion": HANDSHAKE_VERSION,
        "capabilities": dict(CLIENT_CAPABILITIES),
        "clientInfo": client_info(),
    }
    result = await session.request("initialize", params, timeout=math.inf, cancellable=False)
    spoken = result.get("protocolVersion")
    if spoken not in HANDSHAKE_VERSIONS:
        raise _stranger(str(spoken)[:40])
    await session.notify("notifications/initialized")
    return Handshake(
        era="handshake",
        protocol_version=spoken,
        server_info=_object(result.get("serverInfo")) or None,
        capabilities=_object(result.get("capabilities")),
        instructions=_text(result.get("instructions")),
    )


def _stranger(versions: str) -> SessionError:
    return SessionError(f"It speaks only MCP {versions}, which we do not.", terminal=True, code="protocol-version")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> Sequence[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
