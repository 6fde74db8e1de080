"""accepted x desired x observed x pins -> Plan: one typed action per server that is not as the file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from reconciler import merge_patch
from reconciler.canonical import digest
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document, Facts, launch_facts, masked_document, masked_fields
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.model.written import Effect, Mark
from reconciler.plan.actions import (
    PROJECT,
    Action,
    Check,
    Create,
    Delete,
    Disable,
    Enable,
    NotAccepted,
    NotInFile,
    Plan,
    Reconnect,
    Regroup,
    Risk,
    Source,
    Update,
)
from reconciler.plan.changes import FindPlace, Sides, effects_of, server_reasons, settings_reasons
from reconciler.plan.drift import session_down
from reconciler.plan.patches import patches
from reconciler.plan.pointers import Path
from reconciler.plan.safety import Strictness, blocked_deletions, compare_rules, compare_settings, launch_words
from reconciler.problems import Place

_OneAction = TypeVar("_OneAction", bound=Create | Update | Reconnect | Enable | Disable | Regroup)

_RISKS: Mapping[type, Risk] = {
    Update: "safe",
    Reconnect: "disruptive",
    Enable: "disruptive",
    Disable: "safe",
    Regroup: "safe",
}
_SHARED_SETTINGS = ("defaults", "timeouts", "lock", "envFile")
_TRANSPORT_FIELDS = ("type", "command", "url", "mock")


def nowhere(_: Path) -> Place | None:
    """The places of a document that was not read from a file."""
    return None


@dataclass(frozen=True, slots=True)
class _Question:
    """All that decides a plan, with the patch between the two documents."""

    accepted: Accepted
    desired: Document
    observed: Observed
    place: FindPlace
    named: frozenset[str]
    patch: Mapping[str, Any]
    """From accepted to desired, masked."""
    sides: Sides = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sides", Sides(self.accepted.document, self.desired, self.place))

    @property
    def has_rules(self) -> bool:
        """Whether there is anything that could be loosened: the very first plan finds no rules at all."""
        return self.accepted.exists or bool(self.accepted.document.servers or self.accepted.document.settings)


def make_plan(
    accepted: Accepted,
    desired: Document,
    observed: Observed,
    pins: Pins,
    *,
    now: datetime,
    place: FindPlace = nowhere,
    source: Source = Source(),  # noqa: B008  # frozen
    named_deletions: frozenset[str] = frozenset(),
    allow: frozenset[str] = frozenset(),
    against: str | None = None,
    checks: tuple[Check, ...] = (),
) -> Plan:
    """What must happen so that `desired` holds.

    `place` says where the file writes a path. `named_deletions` are servers whose removal a person named one by one;
    `allow` may hold `mass-delete`. `against` names the base when it is not the state (see `against`).
    """
    patch, reverse = patches(accepted.document, desired)
    question = _Question(accepted, desired, observed, place, named_deletions, patch)
    actions = _actions(question)
    drift = _drift(question, {action.server for action in actions})
    deleted = {action.server for action in actions if isinstance(action, Delete)}
    touched = len(drift) + sum(action.server in desired.servers for action in actions)
    return Plan(
        project=desired.project,
        base=accepted.document,
        lineage=accepted.lineage,
        serial=accepted.serial,
        desired=desired,
        actions=actions,
        drift=drift,
        unchanged=len(desired.servers) - touched,
        patch=patch,
        reverse=reverse,
        lock_digest=pins.digest,
        created=now,
        source=source,
        checks=checks,
        blocked=blocked_deletions(accepted, deleted, named_deletions, allow),
        has_state=accepted.exists,
        against=against,
    )


def against(base: Document) -> Accepted:
    """A document at some other place or time as the base: nothing is known of yeses, so every new launch is marked."""
    return Accepted(document=base)


def _actions(question: _Question) -> tuple[Action, ...]:
    before, after = question.accepted.document.servers, question.desired.servers
    found: list[Action | None] = [_project_action(question)]
    for server_id in sorted(question.patch.get("mcpServers", {}).keys() | _in_changed_context(question)):
        if server_id not in before:
            found.append(_create(question, server_id))
        elif server_id not in after:
            found.append(_delete(question, server_id))
        else:
            found.append(_change(question, server_id))
    return tuple(action for action in found if action)


def _in_changed_context(question: _Question) -> set[str]:
    """Servers on both sides for which something outside them may have changed."""
    before, after = question.accepted.document, question.desired
    both = before.servers.keys() & after.servers.keys()
    if any(name in question.patch for name in _SHARED_SETTINGS):
        return both
    groups = question.patch.get("groups", {})
    affected = (before.groups.keys() if groups is None else groups.keys()) if "groups" in question.patch else ()
    return {server_id for server_id in both if after.servers[server_id].get("group") in affected} if affected else set()


def _project_action(question: _Question) -> Update | None:
    """Everything outside `mcpServers`, as one update."""
    patch = {key: value for key, value in question.patch.items() if key != "mcpServers"}
    if not patch:
        return None
    before, after = question.accepted.document, question.desired
    reasons = settings_reasons(question.sides)
    rules = compare_settings(before.settings, after.settings) if question.has_rules else Strictness()
    expects = digest(masked_document(before.settings, before.hide))
    action = Update(PROJECT, reasons, effects_of(reasons), patch=patch, expects=expects)
    return _marked(question, action, rules, opens=False, live_before=None)


def _create(question: _Question, server_id: str) -> Create:
    after = question.desired.facts(server_id)
    live = after["enabled"]
    reason = NotAccepted(question.sides.place_near(("mcpServers", server_id)))
    risk: Risk = "disruptive" if live else "safe"
    action = Create(server_id, (reason,), ("enable",) if live else (), risk=risk, patch=_own_patch(question, server_id))
    rules = compare_rules(_plainest(question.desired, server_id), after) if question.has_rules else Strictness()
    return _marked(question, action, Strictness(rules.weaker), opens=live, live_before=None)


def _plainest(desired: Document, server_id: str) -> Facts:
    """The server without rules and group of its own: what a new server has to be measured by.

    Else a server written anew under another id would be a way around its rules.
    """
    written = desired.servers[server_id]
    bare = {key: written[key] for key in _TRANSPORT_FIELDS if key in written}
    return Document({**desired.settings, "mcpServers": {server_id: bare}}).facts(server_id)


def _delete(question: _Question, server_id: str) -> Delete:
    reason = NotInFile(server_id in question.named)
    return Delete(server_id, (reason,), risk="destructive", patch=None, expects=_expects(question, server_id))


def _change(question: _Question, server_id: str) -> Action | None:
    """The one action of a server that both documents hold; None when it means and says the same."""
    reasons = server_reasons(question.sides, server_id)
    if not reasons:
        return None
    before, after = question.accepted.document.facts(server_id), question.desired.facts(server_id)
    if before["enabled"] and after["enabled"]:
        down = session_down(question.observed, question.accepted.document, server_id)
        reasons = (*reasons, down) if down else reasons
    effects = effects_of(reasons)
    kind = _kind(before["enabled"], after["enabled"], effects)
    patch, expects = _own_patch(question, server_id), _expects(question, server_id)
    action = kind(server_id, reasons, effects, risk=_RISKS[kind], patch=patch, expects=expects)
    live_before = before if before["enabled"] else None
    opens = kind in (Enable, Reconnect)
    return _marked(question, action, compare_rules(before, after), opens=opens, live_before=live_before)


def _kind(
    was_enabled: bool, enabled: bool, effects: tuple[Effect, ...]
) -> type[Update | Reconnect | Enable | Disable | Regroup]:
    """The weightiest of what happens names the action; a server that is not live has nothing to reconnect."""
    if was_enabled != enabled:
        return Enable if enabled else Disable
    if enabled and "reconnect" in effects:
        return Reconnect
    return Regroup if effects == ("regroup",) else Update


def _drift(question: _Question, acted_on: set[str]) -> tuple[Reconnect, ...]:
    """Repairs of servers that the file leaves alone."""
    if not question.observed.engine:
        return ()
    repairs = []
    for server_id in sorted(question.desired.servers.keys() - acted_on):
        enabled = question.desired.facts(server_id)["enabled"]
        if enabled and (down := session_down(question.observed, question.accepted.document, server_id)):
            repair = Reconnect(server_id, (down,), ("reconnect",), risk="disruptive")
            repairs.append(replace(repair, launch=question.desired.launch_digest(server_id)))
    return tuple(repairs)


def _own_patch(question: _Question, server_id: str) -> Any:
    return question.patch.get("mcpServers", {}).get(server_id, {})


def _expects(question: _Question, server_id: str) -> str:
    base = question.accepted.document
    return digest(masked_fields(base.servers[server_id], base.hide))


def _marked(
    question: _Question, action: _OneAction, rules: Strictness, *, opens: bool, live_before: Facts | None
) -> _OneAction:
    """The action with what a person has to say yes to. `live_before` are the fields of the session that lives now."""
    launch = question.desired.launch_digest(action.server) if opens else None
    words: tuple[str, ...] = ()
    if launch and launch not in question.accepted.yeses:
        after = question.desired.facts(action.server)
        unchanged = live_before is not None and merge_patch.equal(launch_facts(live_before), launch_facts(after))
        words = () if unchanged else launch_words(live_before, after)
    held: dict[Mark, bool] = {"launch": bool(words), "loosen": bool(rules.weaker)}
    tightens = bool(rules.stricter and not rules.weaker)
    notes = words + rules.notes()
    return replace(
        action, marks=frozenset(mark for mark in held if held[mark]), launch=launch, tightens=tightens, notes=notes
    )
