"""Writes of this dialect: what is asked for becomes a patch of the file, one write of a project after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from starlette.requests import Request

from reconciler.engine.project import Project
from reconciler.faces.api.changing import PLAN_HEADER, change_file
from reconciler.faces.api.connect.addresses import is_same, is_same_place, literal, with_query_of
from reconciler.faces.api.connect.asked import Asked
from reconciler.faces.api.connect.entries import Entry
from reconciler.faces.api.connect.status import wanted_input
from reconciler.faces.http.problems import HttpProblem
from reconciler.merge_patch import diff
from reconciler.model.secret import SecretRef

SETTLE_SECONDS = 15.0
"""How long an answer to a write waits for the first session: clients read in it whether a sign-in is needed."""
_CONFLICT, _LOCKED = 409, 423

Patch = Mapping[str, Any]


class Turns:
    """What is decided by looking at the file holds until it is written."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[Project, asyncio.Lock] = WeakKeyDictionary()

    def of(self, project: Project) -> asyncio.Lock:
        return self._locks.setdefault(project, asyncio.Lock())


async def write(request: Request, project: Project, server_id: str, patch: Patch | None) -> Mapping[str, str]:
    """Change one server; the headers of the answer. Raises HttpProblem where the file stays as it is.

    A 409 of this dialect means another target and nothing else: its command line answers one by deleting the
    connection and making it anew.
    """
    try:
        changed = await change_file(request, project, {"mcpServers": {server_id: patch}})
    except HttpProblem as problem:
        if problem.status == _CONFLICT:
            problem.status = _LOCKED
        raise
    return {PLAN_HEADER: changed.plan_id}


async def settle(project: Project, server_id: str, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until the server is as accepted, or has failed to become so, or the time is over."""
    with suppress(TimeoutError):
        await asyncio.wait_for(project.settled(server_id), seconds)


def created(asked: Asked) -> dict[str, Any]:
    """The fields of a new server. Raises HttpProblem 400."""
    if asked.transport == "uplink":
        if asked.url is not None or asked.headers:
            raise HttpProblem(400, "bad-request", "an uplink dials in: it has neither `mcpUrl` nor `headers`")
        entry: dict[str, Any] = {"type": "uplink"}
    elif asked.url is None:
        raise HttpProblem(400, "bad-request", "`mcpUrl` is needed for a new connection")
    else:
        entry = {"url": literal(asked.url)}
    entry |= {"name": asked.name} if asked.name is not None else {}
    entry |= {"metadata": asked.metadata} if asked.metadata else {}
    entry |= {"headers": {name: literal(value) for name, value in asked.headers.items()}} if asked.headers else {}
    return entry | ({"mock": asked.mock} if asked.mock is not None else {})


def changed(entry: Entry, asked: Asked, endpoint: str | None) -> dict[str, Any]:
    """What a set changes of a server that is there. `mock` is settled at the creation, and headers are added to those
    there are. `endpoint` is where we serve its MCP. Raises HttpProblem 409 for another target."""
    if asked.transport is not None and (asked.transport == "uplink") != (entry.transport == "uplink"):
        raise _other_target(entry, f"it is no {asked.transport} connection")
    patch: dict[str, Any] = {}
    if asked.url is not None:
        patch |= _url(entry, asked.url, endpoint)
    if asked.name is not None and asked.name != entry.name:
        patch["name"] = asked.name
    if asked.metadata is not None:
        patch |= _metadata(entry, asked.metadata)
    if asked.headers:
        known = {name.lower(): name for name in entry.written.get("headers", {})}
        patch["headers"] = {known.get(name.lower(), name): literal(value) for name, value in asked.headers.items()}
    return patch


def _url(entry: Entry, given: str, endpoint: str | None) -> Patch:
    written: str | None = entry.written.get("url")
    if written is None:
        if given != endpoint:
            raise _other_target(entry, "it has another `mcpUrl`")
        return {}
    if is_same(written, given, lambda reference: _stored(entry.project, reference)):
        return {}
    if wanted_input(entry) is None or not is_same_place(written, given):
        raise _other_target(entry, "it has another `mcpUrl`")
    return {"url": with_query_of(written, given)}


def _metadata(entry: Entry, given: Mapping[str, Any]) -> Patch:
    patch = diff(dict(entry.metadata), dict(given))
    return {"metadata": patch if given else None} if patch else {}


def _stored(project: Project, reference: SecretRef) -> str:
    if reference.scheme != "secret" or not project.environment.has(project.ledger.document, reference):
        raise LookupError(str(reference))
    return project.vault.get(reference.name) or ""


def _other_target(entry: Entry, why: str) -> HttpProblem:
    message = f'"{entry.id}" is there, and {why}: delete it and create it anew to change where it leads'
    return HttpProblem(_CONFLICT, "conflict", message)
