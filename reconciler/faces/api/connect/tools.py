"""`.tools`: list, get and call. Names with dots are addresses with slashes, and what stands before them a category."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.connect.entries import Entry, entry_of
from reconciler.faces.api.connect.mcp import let_come
from reconciler.faces.gateway.handshake_era import plain
from reconciler.faces.http.body import json_body
from reconciler.faces.http.problems import HttpProblem
from reconciler.sessions.session import RpcError

INVALID_PARAMS = -32602
_LIST, _ONE = "/{namespace}/{connection}/.tools", "/{namespace}/{connection}/.tools/{tool:path}"

Tool = Mapping[str, Any]


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return [
        RoleRoute(_LIST, list_tools, "viewer"),
        RoleRoute(_ONE, get_tool, "viewer"),
        RoleRoute(_ONE, call_tool, "client", "POST"),
    ]


async def list_tools(request: Request) -> JSONResponse:
    """`{"tools": [...]}`: the definitions of the server, raw."""
    return JSONResponse({"tools": await _listed(await entry_of(request))})


async def get_tool(request: Request) -> JSONResponse:
    """One tool, or `{"tools": [...]}` of a category."""
    entry = await entry_of(request)
    tools, path = await _listed(entry), request.path_params["tool"]
    one = find_tool(tools, path)
    if one is not None:
        return JSONResponse(one)
    within = [tool for tool in tools if _as_path(tool["name"]).startswith(f"{_as_path(path).rstrip('/')}/".lstrip("/"))]
    if not within:
        raise _unknown(entry, path)
    return JSONResponse({"tools": within})


async def call_tool(request: Request) -> JSONResponse:
    """The server's result as it is. A call that asks waits for a person."""
    entry = await entry_of(request)
    arguments = await json_body(request)
    tool = find_tool(await _listed(entry), request.path_params["tool"])
    if tool is None:
        raise _unknown(entry, request.path_params["tool"])
    call = entry.project.gate.call(principal(request), entry.id, tool["name"], arguments)
    try:
        result = await _while_heard(request, call)
    except RpcError as error:
        if error.code == INVALID_PARAMS:
            raise HttpProblem(400, "invalid-params", str(error)) from error
        raise
    if result.get("resultType") == "input_required":
        message = f'"{tool["name"]}" asks its user something, and nobody can be asked this way: call it over MCP'
        raise HttpProblem(422, "asks", message)
    return JSONResponse(plain(result))


def find_tool(tools: Sequence[Tool], path: str) -> Tool | None:
    """The tool of that name, else the one whose name has dots for the slashes."""
    exact = next((tool for tool in tools if tool["name"] == path), None)
    return exact or next((tool for tool in tools if _as_path(tool["name"]) == _as_path(path)), None)


def _as_path(name: str) -> str:
    return name.replace(".", "/")


async def _listed(entry: Entry) -> Sequence[Tool]:
    """What may be seen of the server's tools; what was listed last while it is down. Raises NotLive."""
    await let_come(entry)
    offer = entry.project.offers.of(entry.id)
    if offer is None or not (offer.live or offer.listing.tools):
        await entry.project.ready(entry.id)
    return offer.listing.tools if offer is not None else ()


def _unknown(entry: Entry, path: str) -> HttpProblem:
    return HttpProblem(404, "not-found", f'"{entry.id}" has no tool "{path[:200]}"')


async def _while_heard(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """The result of a call, which ends with the client that made it."""
    call, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
        if call.done():
            return call.result()
        raise HttpProblem(400, "incomplete", "the client went away")
    finally:
        call.cancel()
        gone.cancel()
        await asyncio.gather(call, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
