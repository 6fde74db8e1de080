"""When things happened to a server, as status shows it; kept in the last report when no engine runs."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from reconciler.store.observed import read_observed
from reconciler.store.state_dir import StateDir


@dataclass(slots=True)
class Times:
    """When a server was first accepted, last changed, last connected: texts, None when never."""

    created: str
    updated: str
    connected: str | None = None


def remembered_times(state: StateDir, servers: Container[str]) -> dict[str, Times]:
    """The times of the servers that the last report knew."""
    rows = (read_observed(state) or {}).get("servers", [])
    known = [row for row in rows if row.get("id") in servers and row.get("createdAt")]
    return {row["id"]: Times(row["createdAt"], row["updatedAt"], row.get("lastConnectedAt")) for row in known}
