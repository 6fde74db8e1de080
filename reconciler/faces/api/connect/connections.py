"""`/{namespace}` and `/{namespace}/{connection}`: create, list, get, set, delete."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reconciler.config.rules_names import ID
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.connect.asked import read_asked
from reconciler.faces.api.connect.entries import Entry, all_entries, entry_of, find_entry, namespace_of, unknown
from reconciler.faces.api.connect.lists import page_of
from reconciler.faces.api.connect.shapes import connection
from reconciler.faces.api.connect.status import wants_sign_in
from reconciler.faces.api.connect.words import new_id
from reconciler.faces.api.connect.writes import Draft, Turns, changed, created, settle, write
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.body import json_body
from reconciler.faces.http.problems import HttpProblem


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return [
        RoleRoute("/{namespace}", list_connections, "viewer"),
        RoleRoute("/{namespace}", create_connection, "editor", "POST"),
        RoleRoute("/{namespace}/{connection}", get_connection, "viewer"),
        RoleRoute("/{namespace}/{connection}", set_connection, "editor", "PUT"),
        RoleRoute("/{namespace}/{connection}", delete_connection, "editor", "DELETE"),
    ]


async def list_connections(request: Request) -> JSONResponse:
    """`{"connections": [...], "nextCursor": text or null}`, by id."""
    page, cursor = page_of(request, await all_entries(namespace_of(request)))
    host = host_of(request)
    return JSONResponse({"connections": [connection(entry, host) for entry in page], "nextCursor": cursor})


async def create_connection(request: Request) -> JSONResponse:
    """A new connection under an id of our choice."""
    project, asked = namespace_of(request), read_asked(await json_body(request, required=True))
    async with _turns(request).of(project):
        draft = created(Draft(project, await _free_id(project)), asked)
        headers = await write(request, project, draft.server_id, draft)
    return JSONResponse(await _settled(request, draft), 201, headers)


async def get_connection(request: Request) -> JSONResponse:
    """One connection."""
    return JSONResponse(connection(await entry_of(request), host_of(request)))


async def set_connection(request: Request) -> JSONResponse:
    """Create the connection, or change what is given of it: 200 either way. Its target stays as it is."""
    project, server_id = namespace_of(request), request.path_params["connection"]
    if not ID.fullmatch(server_id):
        grammar = "1 to 63 letters, digits, `.`, `_` and `-`, the first and last a letter or digit"
        raise HttpProblem(400, "bad-id", f"an id has {grammar}")
    asked = read_asked(await json_body(request, required=True))
    headers: Any = {}
    draft = Draft(project, server_id)
    async with _turns(request).of(project):
        known = await _in_file(project, server_id)
        draft = changed(draft, known, asked, host_of(request)) if known else created(draft, asked)
        if draft.fields:
            headers = await write(request, project, server_id, draft)
    return JSONResponse(await _settled(request, draft), headers=dict(headers))


async def delete_connection(request: Request) -> JSONResponse:
    """The server leaves the file, and its session ends."""
    project, server_id = namespace_of(request), request.path_params["connection"]
    async with _turns(request).of(project):
        if await _in_file(project, server_id) is None:
            raise unknown(project, server_id)
        headers = await write(request, project, server_id, None)
    return JSONResponse({"success": True}, headers=dict(headers))


def _turns(request: Request) -> Turns:
    turns: Turns = request.app.state.turns
    return turns


async def _free_id(project: Project) -> str:
    taken = {entry.id.lower() for entry in await all_entries(project)}
    while (server_id := new_id()).lower() in taken:
        continue
    return server_id


async def _in_file(project: Project, server_id: str) -> Entry | None:
    """The server as the file has it now, which is what a patch changes; as it was accepted where the file is broken."""
    written = (await project.read()).reading.written
    if written is None:
        return await find_entry(project, server_id)
    fields = written.get("mcpServers", {}).get(server_id)
    accepted = server_id in project.ledger.document.servers
    return None if fields is None else Entry(project, server_id, fields, accepted)


async def _settled(request: Request, draft: Draft) -> dict[str, Any]:
    """The connection after a write. One that was taken away meanwhile is shown as it was to be.

    Clients of this dialect cannot say that a server is signed in to: one that asks for it gets what it asks for.
    """
    await settle(draft.project, draft.server_id)
    found = await find_entry(draft.project, draft.server_id)
    if found is not None and found.accepted and wants_sign_in(found):
        asked = Draft(draft.project, draft.server_id)
        asked.fields["oauth"] = True
        with suppress(HttpProblem):
            await write(request, draft.project, draft.server_id, asked, further=True)
            await settle(draft.project, draft.server_id)
            found = await find_entry(draft.project, draft.server_id)
    return connection(found or Entry(draft.project, draft.server_id, draft.fields, accepted=False), host_of(request))
