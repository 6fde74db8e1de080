"""Which sessions are down although they should be live. Reads what the engine observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pause import Pause
from reconciler.model.server import is_mocked
from reconciler.plan.actions import SessionDown


def session_down(observed: Observed, accepted: Document, server_id: str) -> SessionDown | None:
    """Why an accepted and enabled server needs a new session; None when it lives, is starting, or is paused, and where
    nothing is known."""
    if not observed.engine:
        return None
    seen = observed.servers.get(server_id)
    if seen is None:
        return SessionDown("no session")
    if seen.paused is not None:
        return None
    if seen.down is not None:
        return SessionDown(seen.down, seen.since)
    match seen.status:
        case "connecting":
            return None
        case "connected":
            stale = seen.spec is not None and seen.spec != accepted.spec_digest(server_id)
            return SessionDown("the session still has earlier settings", seen.since) if stale else None
        case "disconnected" if _dials_in(accepted, server_id):
            return None
        case "disconnected" | "error":
            return SessionDown(f"session is {'in error' if seen.status == 'error' else 'disconnected'}", seen.since)
        case _:
            assert_never(seen.status)


def paused_servers(observed: Observed, desired: Document) -> Mapping[str, Pause]:
    """The servers that somebody keeps from running although the file has them on, by id."""
    return {
        server_id: seen.paused
        for server_id, seen in sorted(observed.servers.items())
        if seen.paused is not None and server_id in desired.servers and desired.facts(server_id)["enabled"]
    }


def _dials_in(accepted: Document, server_id: str) -> bool:
    """Whether its session is the server's to begin: nothing here is to be repaired while it stays away."""
    facts = accepted.facts(server_id)
    return facts["type"] == "uplink" and not is_mocked(facts)
