"""Writes of this dialect: what is asked for becomes a patch of the file, one write of a project after the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from starlette.requests import Request

from reconciler.engine.door import NO_SECRETS
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.changing import PLAN_HEADER, change_file
from reconciler.faces.api.connect.addresses import is_same_place, with_query_of, without_secrets
from reconciler.faces.api.connect.asked import Asked
from reconciler.faces.api.connect.entries import Entry
from reconciler.faces.api.connect.status import wanted_input
from reconciler.faces.http.problems import HttpProblem
from reconciler.merge_patch import diff
from reconciler.model.secret import SecretRef, literal

SETTLE_SECONDS = 15.0
"""How long an answer to a write waits for the first session: clients read in it whether a sign-in is needed."""
_CONFLICT, _LOCKED = 409, 423
_LONGEST_NAME = 110


class Turns:
    """What is decided by looking at the file holds until it is written."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[Project, asyncio.Lock] = WeakKeyDictionary()

    def of(self, project: Project) -> asyncio.Lock:
        return self._locks.setdefault(project, asyncio.Lock())


class Draft:
    """What is to be written of one server. `secrets` are values that go into the vault with it, by name."""

    def __init__(self, project: Project, server_id: str) -> None:
        self.project = project
        self.server_id = server_id
        self.fields: dict[str, Any] = {}
        self.secrets: dict[str, str] = {}

    def put_away(self, parameter: str, value: str) -> str:
        """The reference to a value of the query, which gets a name of its own."""
        wished = re.sub(r"[^A-Za-z0-9._-]", "_", f"{self.server_id}.url.{parameter}")[:_LONGEST_NAME]
        taken = {*self.secrets, *(secret.name for secret in self.project.vault.list())}
        names = (wished, *(f"{wished}-{number}" for number in range(2, len(taken) + 3)))
        name = next(name for name in names if name not in taken)
        self.secrets[name] = value
        return str(SecretRef("secret", name))


async def write(
    request: Request, project: Project, server_id: str, draft: Draft | None, *, further: bool = False
) -> Mapping[str, str]:
    """Change one server, or take it away; the headers of the answer. Raises HttpProblem where the file stays as it is.

    A 409 of this dialect means another target and nothing else: its command line answers one by deleting the
    connection and making it anew.
    """
    patch = {"mcpServers": {server_id: draft.fields if draft else None}}
    secrets = draft.secrets if draft is not None else NO_SECRETS
    try:
        changed = await change_file(request, project, patch, secrets=secrets, further=further)
    except HttpProblem as problem:
        if problem.status == _CONFLICT:
            problem.status = _LOCKED
        raise
    return {PLAN_HEADER: changed.plan_id}


async def settle(project: Project, server_id: str, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until the server is as accepted, or has failed to become so, or the time is over."""
    with suppress(TimeoutError):
        await asyncio.wait_for(project.settled(server_id), seconds)


def created(draft: Draft, asked: Asked) -> Draft:
    """Fill in a new server. Raises HttpProblem 400."""
    if asked.transport == "uplink":
        if asked.url is not None or asked.headers:
            raise HttpProblem(400, "bad-request", "an uplink dials in: it has neither `mcpUrl` nor `headers`")
        draft.fields["type"] = "uplink"
    elif asked.url is None:
        raise HttpProblem(400, "bad-request", "`mcpUrl` is needed for a new connection")
    else:
        draft.fields["url"] = without_secrets(asked.url, draft.put_away)
    headers = {name: literal(value) for name, value in (asked.headers or {}).items()}
    given = {"name": asked.name, "metadata": asked.metadata, "headers": headers, "mock": asked.mock}
    draft.fields |= {name: value for name, value in given.items() if value}
    return draft


def changed(draft: Draft, entry: Entry, asked: Asked, host: Host) -> Draft:
    """Fill in what a set changes of a server that is there. `mock` is settled at the creation, and headers are added to
    those there are. Raises HttpProblem 409 for another target."""
    if asked.transport is not None and (asked.transport == "uplink") != (entry.transport == "uplink"):
        raise _other_target(entry, f"it is no {asked.transport} connection")
    if asked.url is not None and not entry.is_at(asked.url, host):
        draft.fields["url"] = _filled_in(draft, entry, asked.url)
    if asked.name is not None and asked.name != entry.name:
        draft.fields["name"] = asked.name
    if asked.metadata is not None and (patch := diff(dict(entry.metadata), dict(asked.metadata))):
        draft.fields["metadata"] = patch if asked.metadata else None
    if asked.headers:
        known = {name.lower(): name for name in entry.written.get("headers", {})}
        draft.fields["headers"] = {known.get(name.lower(), name): literal(v) for name, v in asked.headers.items()}
    return draft


def _filled_in(draft: Draft, entry: Entry, given: str) -> str:
    """The address with the query that it waited for."""
    written: str | None = entry.written.get("url")
    if written is None or wanted_input(entry) is None or not is_same_place(written, given):
        raise _other_target(entry, "it has another `mcpUrl`")
    return with_query_of(written, given, draft.put_away)


def _other_target(entry: Entry, why: str) -> HttpProblem:
    message = f'"{entry.id}" is there, and {why}: delete it and create it anew to change where it leads'
    return HttpProblem(_CONFLICT, "conflict", message)
