"""A name that nobody lists yet, because its server is on its way: whoever asks for it waits, or reads why not.

Right after a start nothing was listed; while a server is replaced, what its new version adds is not listed yet.
"""

from __future__ import annotations

from reconciler.config.rules_names import SEPARATOR
from reconciler.faces.gateway.calls import as_fault
from reconciler.faces.gateway.messages import Request, fault
from reconciler.faces.gateway.office import Place
from reconciler.faces.gateway.protocol import INVALID_PARAMS
from reconciler.faces.gateway.scope import NotHere
from reconciler.faces.gateway.surface import Surface
from reconciler.gate.gate import Refused
from reconciler.sessions.instance import NotLive


async def arrival(place: Place, request: Request) -> None:
    """Wait, as calls of listed tools do, until a server that a request needs has listed. Raises RpcError."""
    server = _awaited(place, request)
    if server is None:
        return
    try:
        await place.scope.project.gate.arrival(place.principal, server)
        _ = place.surface
    except (Refused, NotLive) as error:
        raise as_fault(place.scope, error) from error
    except NotHere as gone:
        raise fault(INVALID_PARAMS, str(gone), reason="not-here") from gone


def _awaited(place: Place, request: Request) -> str | None:
    """The server that is to list first; None where what is asked for is listed, or its server serves, is paused, or has
    no part in the endpoint.
    """
    surface, visible = place.surface, _named(request)
    if visible is None or _is_listed(surface, request.method, visible):
        return None
    server, project = place.scope.server or visible.partition(SEPARATOR)[0], place.scope.project
    on_its_way = project.serving(server) is None and project.paused(server) is None
    return server if surface.has(server) and on_its_way else None


def _named(request: Request) -> str | None:
    """The tool or prompt that a request is about."""
    match request.method, request.params:
        case "tools/call" | "prompts/get", {"name": str(name)}:
            return name
        case "completion/complete", {"ref": {"type": "ref/prompt", "name": str(name)}}:
            return name
        case _:
            return None


def _is_listed(surface: Surface, method: str, visible: str) -> bool:
    return (surface.tool if method == "tools/call" else surface.prompt)(visible) is not None
