"""What a plan consists of: typed actions with reasons. The printer, the JSON document and the executor read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from reconciler.model.document import Document
from reconciler.model.pause import Pause
from reconciler.model.pins import Drifted
from reconciler.model.written import Effect, Mark
from reconciler.plan.lock_diff import LockChange
from reconciler.problems import Place

Risk = Literal["safe", "disruptive", "destructive"]
PROJECT = "@project"
"""Id of the one action for everything outside `mcpServers`."""


@dataclass(frozen=True, slots=True)
class FieldChanged:
    """A field differs. `path` is a JSON pointer inside the server (or the document, for `@project`).

    `before` and `after` are masked; None means absent. `sensitive` says that something was masked.
    """

    path: str
    before: Any
    after: Any
    effect: Effect
    place: Place | None = None
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """The server is in the file and was never applied."""

    place: Place | None = None


@dataclass(frozen=True, slots=True)
class NotInFile:
    """The server was applied and is no longer in the file. `named` means a person named this very deletion."""

    named: bool = False


@dataclass(frozen=True, slots=True)
class SessionDown:
    """The server should be live and is not; `detail` is a sentence."""

    detail: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProjectChanged:
    """A setting outside the server changed what holds for it; `path` is a JSON pointer into the document.

    `field` is a JSON pointer inside the server: what changed there, from `before` to `after` (masked, effective).
    """

    path: str
    field: str
    before: Any
    after: Any
    effect: Effect
    place: Place | None = None
    sensitive: bool = False


Reason: TypeAlias = FieldChanged | NotAccepted | NotInFile | SessionDown | ProjectChanged


@dataclass(frozen=True, slots=True)
class _Action:
    """`patch` is this action's own merge patch, relative to its server (null for a deletion).

    `launch` is the digest a person must have said yes to; `expects` the digest of the server's accepted (masked)
    entry, None when there must be none.
    """

    server: str
    because: tuple[Reason, ...] = ()
    effects: tuple[Effect, ...] = ()
    marks: frozenset[Mark] = frozenset()
    risk: Risk = "safe"
    patch: Any = field(default_factory=dict)
    launch: str | None = None
    expects: str | None = None
    tightens: bool = False
    """Whether it only makes approvals or filters stricter; such actions are taken up first."""
    with_settings: bool = False
    """Whether the change outside `mcpServers` in this plan changes what holds for it, as it is or as it will be."""
    notes: tuple[str, ...] = ()
    """What the marks are about, in words: `new command`, `loosens approval`."""


@dataclass(frozen=True, slots=True)
class Create(_Action):
    """Not accepted yet: start, handshake, list, gate."""


@dataclass(frozen=True, slots=True)
class Update(_Action):
    """Display or policy only; the session is left alone."""


@dataclass(frozen=True, slots=True)
class Reconnect(_Action):
    """What decides the session changed, or the session is down: the new one first, then the old drains."""


@dataclass(frozen=True, slots=True)
class Enable(_Action):
    """Effective `enabled` became true: connect."""


@dataclass(frozen=True, slots=True)
class Disable(_Action):
    """Effective `enabled` became false: drain and close."""


@dataclass(frozen=True, slots=True)
class Regroup(_Action):
    """Only the group changed."""


@dataclass(frozen=True, slots=True)
class Delete(_Action):
    """Accepted and no longer in the file: unlist, drain, close."""


Action: TypeAlias = Create | Update | Reconnect | Enable | Disable | Regroup | Delete

WORDS: Mapping[type, str] = {
    Create: "create",
    Update: "update",
    Reconnect: "reconnect",
    Enable: "enable",
    Disable: "disable",
    Regroup: "regroup",
    Delete: "delete",
}


def word(action: Action) -> str:
    """The action's name in plans, JSON and status."""
    return WORDS[type(action)]


@dataclass(frozen=True, slots=True)
class Check:
    """Something to know that changes nothing: severity, code and sentence, like a Problem but about the plan."""

    code: str
    severity: Literal["error", "warning"]
    server: str | None
    message: str
    place: Place | None = None
    hint: str | None = None
    """The way out, where there is something to do."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A deletion that is not carried out. `way_out` is the command or edit that lifts it."""

    code: Literal["mass-delete", "protected"]
    servers: tuple[str, ...]
    message: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the desired document was read from: paths with the SHA-256 of their text, and git facts when known."""

    files: tuple[tuple[str, str], ...] = ()
    git: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between what was applied and what the file says, and what lives meanwhile.

    `base` is what was applied, or what `against` names (a file, `git:REF`) when that is compared with instead.
    `patch` leads from accepted to desired and `reverse` back (RFC 7396, masked). `actions` are sorted by id,
    `@project` first, and hold no no-ops; `drift` are repairs of sessions that are down although
    nothing in the file changed. `paused` are servers that somebody keeps from running: a plan leaves that as it is.
    `tool_drift` is what live servers show that the lock does not have so, `lock_changes`
    how the lock differs from that of `against`; both change nothing.
    """

    project: str
    base: Document
    lineage: str
    serial: int
    desired: Document
    actions: tuple[Action, ...]
    drift: tuple[Reconnect, ...]
    unchanged: int
    patch: Mapping[str, Any]
    reverse: Mapping[str, Any]
    lock_digest: str | None
    created: datetime
    source: Source = field(default_factory=Source)
    checks: tuple[Check, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    paused: Mapping[str, Pause] = field(default_factory=dict)
    tool_drift: Mapping[str, tuple[Drifted, ...]] = field(default_factory=dict)
    lock_changes: tuple[LockChange, ...] = ()
    has_state: bool = True
    against: str | None = None

    @property
    def base_digest(self) -> str:
        """Digest of the masked base; computed when first asked for."""
        return self.base.digest

    @property
    def target_digest(self) -> str:
        """Digest of the masked desired document."""
        return self.desired.digest

    @property
    def empty(self) -> bool:
        """Nothing to apply and nothing to repair."""
        return not self.actions and not self.drift
