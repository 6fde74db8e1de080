"""What a plan says of the lock: whether it can be used, whom it does not know, what it is too old for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pins import Drifted, Pins, launch_pin
from reconciler.plan.actions import Action, Check, FieldChanged
from reconciler.plan.changes import FindPlace
from reconciler.plan.lock import mode_of
from reconciler.plan.lock_diff import LockChange, differences
from reconciler.problems import Place


def lock_checks(desired: Document, pins: Pins, actions: Sequence[Action], place: FindPlace) -> Iterator[Check]:
    """`lock.broken`, `lock.unpinned` (under enforce) and `lock.stale`, each with its place and the way out."""
    for problem in pins.problems:
        message = f"the lock file cannot be used: {problem.detail}"
        yield Check("lock.broken", "warning", None, message, problem.place, problem.hint)
    if pins.problems:
        return
    where = {action.server: found for action in actions if (found := _launch_place(action))}
    for server_id in sorted(desired.servers):
        facts = desired.facts(server_id)
        mode = mode_of(facts["lock"], pins)
        if mode == "off" or not facts["enabled"]:
            continue
        at = where.get(server_id) or place(("mcpServers", server_id))
        pinned = pins.servers.get(server_id)
        if pinned is None and mode == "enforce":
            message = "the lock does not have it, so all its tools are withheld"
            yield Check("lock.unpinned", "warning", server_id, message, at, _way_out(server_id))
        elif pinned is not None and pinned.launch != launch_pin(desired.pinned_launch(server_id)):
            message = "what it launches is not what the lock pins"
            yield Check("lock.stale", "warning", server_id, message, at, _way_out(server_id))


def _way_out(server_id: str) -> str:
    return f"once it is live, `reconciler lock --update {server_id}` accepts what it shows"


def _launch_place(action: Action) -> Place | None:
    """Where the file says the first thing that needs a new session."""
    changed = (reason for reason in action.because if isinstance(reason, FieldChanged))
    return next((reason.place for reason in changed if reason.effect == "reconnect"), None)


def seen_drift(desired: Document, observed: Observed) -> Mapping[str, tuple[Drifted, ...]]:
    """What live servers show that is not as pinned, by server."""
    seen = {name: observed.servers[name].drift for name in sorted(desired.servers) if name in observed.servers}
    return {name: drift for name, drift in seen.items() if drift}


def lock_changes(before: Pins, after: Pins) -> tuple[LockChange, ...]:
    """How one lock differs from another, by server; a lock that cannot be used differs in nothing that can be told."""
    if before.problems or after.problems:
        return ()
    found = (
        LockChange(name, differences(before.servers.get(name), after.servers.get(name)))
        for name in sorted(before.servers.keys() | after.servers.keys())
    )
    return tuple(change for change in found if change.differences)
