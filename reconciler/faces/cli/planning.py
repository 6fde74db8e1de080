"""The plan as this process makes it: from the files, the accepted state and what an engine tells. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from reconciler.client import Client
from reconciler.faces.cli.context import Options
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed, ObservedServer
from reconciler.model.pause import pause_of
from reconciler.model.pins import Drifted, Pins
from reconciler.plan.actions import Plan, Source
from reconciler.plan.build import make_plan
from reconciler.problems import errors
from reconciler.store.accepted import read_accepted
from reconciler.store.git import git_facts
from reconciler.store.lock_file import read_lock
from reconciler.store.sources import Snapshot, Sources, read_sources
from reconciler.store.state_dir import StateDir, fingerprint


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan stands on: the files as they are now, and what was accepted."""

    sources: Sources
    state: StateDir
    snapshot: Snapshot
    accepted: Accepted

    @property
    def desired(self) -> Document:
        """The document of the files; only where they have no errors."""
        return self.snapshot.reading.document(hide=fingerprint(self.state.key()))


def rooted(sources: Sources) -> Sources:
    """The same files, known by where they stand beside the main file.

    A plan holds places, and its id must not depend on the directory in which somebody asked for it.
    """
    return replace(sources, root=sources.main.parent)


def look(options: Options, sources: Sources) -> Ground | Snapshot:
    """Read the files and the state; the Snapshot alone when the files have errors. Raises StateDamaged."""
    snapshot = read_sources(rooted(sources))
    if errors(snapshot.reading.problems):
        return read_sources(sources)
    state = options.state(sources)
    accepted = read_accepted(state, default_project=sources.project)
    return Ground(rooted(sources), state, snapshot, accepted)


def plan_on(ground: Ground, desired: Document, client: Client | None, *, allow: frozenset[str] = frozenset()) -> Plan:
    """The plan from what is accepted to `desired`, under what the engine says lives."""
    return make_plan(
        ground.accepted,
        desired,
        observed_by(client.observed()) if client else Observed(),
        pins_of(ground.sources),
        now=datetime.now(UTC),
        place=ground.snapshot.reading.place,
        source=source_of(ground.sources, ground.snapshot),
        allow=allow,
    )


def pins_of(sources: Sources) -> Pins:
    """The lock beside the file."""
    return read_lock(sources.lock, sources.shown(sources.lock))


def source_of(sources: Sources, snapshot: Snapshot) -> Source:
    """Where the desired document came from."""
    return Source(snapshot.digests, git_facts(sources.main))


def observed_by(answer: Mapping[str, Any]) -> Observed:
    """What lives, as an engine tells it."""
    return Observed(True, {row["id"]: _observed(row) for row in answer["servers"]})


def _observed(row: Mapping[str, Any]) -> ObservedServer:
    since = datetime.fromisoformat(row["since"]) if row["since"] else None
    drift = tuple(Drifted(**each) for each in row.get("drift", ()))
    paused = pause_of(**row["paused"]) if row.get("paused") else None
    return ObservedServer(row["id"], row["status"], row["instance"], row["spec"], row["down"], since, drift, paused)
