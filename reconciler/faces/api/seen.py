"""The servers of a project as the dialects of other products list them: what was accepted, and what waits for a yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.engine.pending import Pending
from reconciler.engine.project import Project
from reconciler.faces.api.on_file import file_now
from reconciler.model.server import Server
from reconciler.sessions.listing import Listing

NOTHING = Listing()


@dataclass(frozen=True, slots=True)
class Seen:
    """One server. `pending` is what waits about it; `accepted` is false for one that nobody said yes to yet."""

    server: Server
    written: Mapping[str, Any]
    pending: Pending | None
    accepted: bool

    @property
    def waits(self) -> str | None:
        """The sentence for what waits."""
        return f"waits for approval {self.pending.plan}" if self.pending else None


async def servers_of(project: Project) -> list[Seen]:
    """Every server, by id."""
    document, pending = project.ledger.document, {one.server: one for one in project.waiting.all}
    found = []
    for server_id, written in document.servers.items():
        server = project.ledger.server(server_id)
        assert server is not None
        found.append(Seen(server, written, pending.get(server_id), True))
    unborn = [one for one in pending.values() if one.server not in document.servers]
    if unborn:
        desired = (await file_now(project)).document
        for one in unborn:
            if one.server in desired.servers:
                found.append(Seen(desired.server(one.server), desired.servers[one.server], one, False))
    return sorted(found, key=lambda seen: seen.server.id)


def listing_of(project: Project, seen: Seen) -> Listing:
    """What the session that serves offers of it, and the file and the lock let through."""
    offer = project.offers.of(seen.server.id) if seen.accepted else None
    return offer.listing if offer is not None and offer.live else NOTHING


def failure_of(project: Project, seen: Seen) -> str | None:
    """Why something is not as it should be, in words; None where all is well or on its way."""
    if seen.pending is not None or not seen.server.enabled:
        return seen.waits
    status, reason = project.status_of(seen.server.id)
    return project.environment.hide(reason) or None if status in ("error", "connected") else None
