"""The servers of a namespace as this dialect sees them: what was accepted, and what waits for its first yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.connect.addresses import is_same
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.document import transport_word
from reconciler.model.secret import SecretRef


@dataclass(frozen=True, slots=True)
class Entry:
    """One server. `written` are its fields as the file has them; `accepted` is false before its first yes."""

    project: Project
    id: str
    written: Mapping[str, Any]
    accepted: bool = True

    @property
    def transport(self) -> str:
        """stdio, http, sse, uplink, or mock where nothing else is named."""
        return transport_word(self.written) if {"type", "command", "url"} & self.written.keys() else "mock"

    @property
    def name(self) -> str:
        """For people; the id where none was given."""
        name: str = self.written.get("name", self.id)
        return name

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What clients keep with it."""
        metadata: Mapping[str, Any] = self.written.get("metadata", {})
        return metadata

    @property
    def mock(self) -> Mapping[str, Any] | None:
        """The mock that stands in for the server, None where there is none."""
        mock: Mapping[str, Any] | None = self.written.get("mock")
        return mock if mock is not None and mock.get("enabled", True) else None

    def is_at(self, address: str, host: Host) -> bool:
        """Whether that is where the server is."""
        written: str | None = self.written.get("url")
        if written is None:
            return self.transport != "uplink" and address == self.endpoint(host)
        return is_same(written, address, self._stored)

    def _stored(self, reference: SecretRef) -> str:
        if reference.scheme != "secret" or not self.project.environment.has(self.project.ledger.document, reference):
            raise LookupError(str(reference))
        return self.project.vault.get(reference.name) or ""

    def endpoint(self, host: Host) -> str | None:
        """Where we serve its MCP; None where we listen on no address."""
        return f"{host.facts.url}/connect/{self.project.name}/{self.id}/mcp" if host.facts.url else None


def namespace_of(request: HTTPConnection) -> Project:
    """The project that the path names. Raises HttpProblem 404."""
    name: str = request.path_params["namespace"]
    project = host_of(request).projects.get(name)
    if project is None:
        raise HttpProblem(404, "not-found", f'there is no namespace "{name[:63]}" here')
    return project


async def entry_of(request: HTTPConnection) -> Entry:
    """The connection that the path names. Raises HttpProblem 404."""
    project, wanted = namespace_of(request), request.path_params["connection"]
    found = await find_entry(project, wanted)
    if found is None:
        raise unknown(project, wanted)
    return found


def unknown(project: Project, server_id: str) -> HttpProblem:
    """404 for a connection."""
    return HttpProblem(404, "not-found", f'there is no connection "{server_id[:63]}" in "{project.name}"')


async def find_entry(project: Project, server_id: str) -> Entry | None:
    """One server; None for an unknown one."""
    written = project.ledger.document.servers.get(server_id)
    if written is not None:
        return Entry(project, server_id, written)
    return next((entry for entry in await _unborn(project) if entry.id == server_id), None)


async def all_entries(project: Project) -> list[Entry]:
    """Every server, by id."""
    accepted = [Entry(project, server_id, written) for server_id, written in project.ledger.document.servers.items()]
    return sorted([*accepted, *await _unborn(project)], key=lambda entry: entry.id)


async def _unborn(project: Project) -> list[Entry]:
    """What stands in the file and waits for a yes; the file is only read where something does."""
    accepted = project.ledger.document.servers
    waiting = {pending.server for pending in project.waiting.all} - accepted.keys()
    if not waiting:
        return []
    written = (await project.read()).reading.written or {}
    servers = written.get("mcpServers", {})
    return [Entry(project, server_id, servers[server_id], accepted=False) for server_id in waiting & servers.keys()]
