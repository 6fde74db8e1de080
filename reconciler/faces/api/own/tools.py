"""`/api/v1/tools`: every tool, who is asked before it runs, and how it stands to the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.locked import Locked
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.asked import query_of
from reconciler.faces.api.description import Asked, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.policy import REMEMBERED, Policy

FindPlace: TypeAlias = Callable[[tuple[str | int, ...]], Any]


class ToolShown(Shown):
    """One tool, as last listed or pinned."""

    server: str
    name: str
    description: str | None
    hint: Literal["reads", "writes", "destroys"] | None = Field(description="What the server itself says of it.")
    asks: bool = Field(description="Whether a person is asked before it runs.")
    by: str = Field(description="What in the file decides that, with its place.")
    pin: Literal["accepted", "changed", "new", "gone", "unpinned", "unknown"]
    withheld: str | None = Field(description="Why it is neither listed nor called.")


class ToolsShown(Shown):
    """By server."""

    tools: list[ToolShown]


class ToolsQuery(Asked):
    """Which."""

    server: str | None = Field(default=None, description="Only of this server.")


_TOOLS = Says("The tools of the servers", ToolsShown, query=ToolsQuery, refusals={404: ("unknown-server",)})


def routes() -> list[RoleRoute]:
    """The one route, with the role that it needs."""
    return [RoleRoute("/tools", get_tools, "viewer", says=_TOOLS)]


async def get_tools(request: Request) -> JSONResponse:
    """`?server=ID` -> `{"tools": [{"server", "name", "description", "hint", "asks", "by", "pin", "withheld"}]}`."""
    project, chosen = project_of(request), query_of(request, ToolsQuery).server
    if chosen is not None and chosen not in project.ledger.document.servers:
        raise HttpProblem(404, "unknown-server", f'no server "{chosen}" was applied')
    servers = [chosen] if chosen else sorted(project.ledger.document.servers)
    snapshot = await project.read()
    project.refresh_lock()
    rows = [row for server in servers for row in tool_rows(project, server, snapshot.reading.place)]
    return JSONResponse({"tools": rows})


def tool_rows(project: Project, server_id: str, place: FindPlace) -> list[dict[str, Any]]:
    """The tools of a server that the file offers, also those that the lock withholds; as last listed or pinned."""
    policy, locked = project.policy(server_id), project.offers.locked(server_id)
    if policy is None or locked is None or not policy.server.enabled or policy.paused:
        return []
    states = locked.verdicts.of("tool") if locked.verdicts else {}
    return [
        {
            "server": server_id,
            "name": tool["name"],
            "description": tool.get("description"),
            "hint": hint_of(tool),
            "asks": policy.answer(tool["name"]).asks,
            "by": _decided_by(policy, tool["name"], place),
            "pin": states.get(tool["name"]) or _unknown(locked),
            "withheld": policy.blocked.get(tool["name"]),
        }
        for tool in project.offers.listed(server_id).tools
        if policy.offers(tool["name"])
    ]


def _unknown(locked: Locked) -> str:
    """Where nothing can be compared: nothing is pinned, or the lock cannot be used and so holds everything back."""
    return "unpinned" if locked.withheld.server is None else "unknown"


def hint_of(tool: Mapping[str, Any]) -> str | None:
    """What the server itself says of the tool: reads, writes or destroys; None where it says nothing."""
    annotations = tool.get("annotations")
    if not isinstance(annotations, Mapping):
        return None
    if annotations.get("readOnlyHint") is True:
        return "reads"
    if annotations.get("destructiveHint") is True:
        return "destroys"
    return "writes" if annotations.get("readOnlyHint") is False else None


def _decided_by(policy: Policy, tool: str, place: FindPlace) -> str:
    by = policy.answer(tool).by
    if not by:
        return "default"
    if by == REMEMBERED:
        return f"{'.'.join(by)} (this machine, {policy.remembered[tool]})"
    at = place(by)
    return f"{'.'.join(by)}{f' ({at})' if at else ''}"
