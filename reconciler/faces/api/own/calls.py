"""`/api/v1/call`: one tool call, made by a person who may approve it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.asked import body_of
from reconciler.faces.api.description import FAILED, Asked, Lines, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.own.applying import Tell
from reconciler.faces.http.lines import in_lines


class CallBody(Asked):
    """Which tool of which server, and with what."""

    server: str
    tool: str
    arguments: dict[str, Any] = Field(default={})


class Progress(Shown):
    """What the server tells while it works (`notifications/progress`)."""

    model_config = ConfigDict(extra="allow")


class CallResult(Shown):
    """The CallToolResult, as the server said it. A call that waits for somebody's answer says so in it."""

    model_config = ConfigDict(extra="allow")

    content: list[dict[str, Any]] = Field(default=[])
    isError: bool = False


_REFUSED = (
    *("unknown-server", "disabled", "paused", "tool-not-offered", "tool-locked"),
    *("bad-arguments", "not-recorded", "changed"),
)
_CALL = Says(
    "Call a tool",
    Lines(Progress, CallResult, {403: _REFUSED, 502: ("rpc", FAILED), 503: ("not-live",), 504: ("deadline",)}),
    body=CallBody,
    more="Who may approve says yes by calling.",
)


def routes() -> list[RoleRoute]:
    """The one route, with the role that it needs."""
    return [RoleRoute("/call", post_call, "operator", "POST", says=_CALL)]


async def post_call(request: Request) -> StreamingResponse:
    project, body, asks = project_of(request), body_of(request, CallBody), principal(request)

    async def work(tell: Tell) -> Mapping[str, Any]:
        return await project.gate.call(asks, body.server, body.tool, body.arguments, on_progress=tell, own_yes=True)

    return in_lines(work)
