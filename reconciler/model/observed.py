"""What lives, as last seen: the engine reports it, the plan and every face read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reconciler.model.pause import Pause
from reconciler.model.pins import Drifted

Status = Literal["connecting", "connected", "disconnected", "error"]


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """One server as it lives. `down` says in a sentence why there is no session although there should be one."""

    id: str
    status: Status
    instance: str | None = None
    spec: str | None = None
    """Digest of the spec the live session was opened with."""
    down: str | None = None
    since: datetime | None = None
    drift: tuple[Drifted, ...] = ()
    """What it shows that is not as the lock has it."""
    paused: Pause | None = None
    """Somebody keeps it from running."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that lives. `engine` is false when nothing runs, and then nothing is known to be down."""

    engine: bool = False
    servers: Mapping[str, ObservedServer] = field(default_factory=dict)
