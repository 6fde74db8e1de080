"""A server as the list-servers dialect shows it: its words for ours, null for what nobody knows."""

from __future__ import annotations

import shlex
from typing import Any, assert_never

from reconciler.engine.project import Project
from reconciler.faces.api.seen import Seen, failure_of
from reconciler.model.document import hidden, masked_fields
from reconciler.model.server import Mock, Remote, Server, Stdio, Uplink

_KINDS = ("tools", "resources", "prompts")


def server_row(project: Project, seen: Seen) -> dict[str, Any]:
    """One member of `servers`. Times are ISO 8601 in UTC."""
    server, times = seen.server, project.times.get(seen.server.id)
    return {
        "id": server.id,
        "projectId": project.name,
        "name": server.name,
        "description": server.description,
        "url": shown_url(seen),
        "transportType": transport_type(server),
        "connectionType": server.connection,
        "status": project.status_of(server.id)[0] if seen.accepted else "disconnected",
        "capabilities": capabilities_of(project, seen),
        "lastConnectedAt": times.connected if times else None,
        "createdAt": times.created if times else None,
        "updatedAt": times.updated if times else None,
    }


def server_detail(project: Project, seen: Seen) -> dict[str, Any]:
    """One server alone."""
    command, words = shown_command(seen)
    handshake = project.offers.handshake(seen.server.id) if seen.accepted else None
    return {
        **server_row(project, seen),
        "command": command,
        "args": None if words is None else shlex.join(words),
        "serverImplementation": handshake.server_info if handshake else None,
        "lastError": failure_of(project, seen),
    }


def transport_type(server: Server) -> str:
    """stdio, http or sse."""
    match server.transport:
        case Stdio():
            return "stdio"
        case Remote(kind=kind):
            return kind
        case Uplink() | Mock():
            return "http"
        case never:
            assert_never(never)


def shown_url(seen: Seen) -> str | None:
    """Where a remote server is, as written; what looks like a secret in it is `***`."""
    if not isinstance(seen.server.transport, Remote):
        return None
    url: str = masked_fields({"url": seen.written["url"]}, hidden)["url"]
    return url


def shown_command(seen: Seen) -> tuple[str | None, list[str] | None]:
    """The program and the arguments of a stdio server, as written and without secrets."""
    if not isinstance(seen.server.transport, Stdio):
        return None, None
    shown = masked_fields({name: seen.written[name] for name in ("command", "args") if name in seen.written}, hidden)
    return shown["command"], shown.get("args")


def capabilities_of(project: Project, seen: Seen) -> dict[str, bool] | None:
    """Which lists the server said that it has; null before it said anything."""
    handshake = project.offers.handshake(seen.server.id) if seen.accepted else None
    if handshake is not None:
        return {kind: kind in handshake.capabilities for kind in _KINDS}
    live = project.serving(seen.server.id) if seen.accepted else None
    return {kind: bool(getattr(live.listing, kind)) for kind in _KINDS} if live is not None else None
