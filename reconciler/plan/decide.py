"""Which action each difference becomes, with its marks. Reads two Documents, what lives, and the yeses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from reconciler.canonical import digest
from reconciler.merge_patch import equal
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document, Facts, launch_facts, masked_document, masked_fields
from reconciler.model.observed import Observed
from reconciler.model.written import Effect, Mark
from reconciler.plan.actions import (
    PROJECT,
    Action,
    Create,
    Delete,
    Disable,
    Enable,
    NotAccepted,
    NotInFile,
    ProjectChanged,
    Reconnect,
    Regroup,
    Risk,
    Update,
)
from reconciler.plan.changes import Sides, effects_of, server_reasons, settings_reasons
from reconciler.plan.drift import session_down
from reconciler.plan.safety import launch_words
from reconciler.plan.strictness import Strictness, compare_rules, compare_settings

_Change = Update | Reconnect | Enable | Disable | Regroup
_OneAction = TypeVar("_OneAction", bound=Create | _Change)

_RISKS: Mapping[type[_Change], Risk] = {
    Update: "safe",
    Reconnect: "disruptive",
    Enable: "disruptive",
    Disable: "safe",
    Regroup: "safe",
}
_SHARED_SETTINGS = ("defaults", "timeouts", "lock", "envFile")
_TRANSPORT_FIELDS = ("type", "command", "url", "mock")


@dataclass(frozen=True)
class Question:
    """All that decides the actions. `patch` leads from accepted to desired, masked."""

    accepted: Accepted
    sides: Sides
    observed: Observed
    named: frozenset[str]
    patch: Mapping[str, Any]

    @property
    def before(self) -> Document:
        return self.sides.before

    @property
    def after(self) -> Document:
        return self.sides.after

    @cached_property
    def has_rules(self) -> bool:
        """Whether there is anything that could be loosened: the very first plan finds no rules at all."""
        return self.accepted.exists or bool(self.before.servers or self.before.settings)

    @cached_property
    def _shared_changed(self) -> bool:
        return any(name in self.patch for name in _SHARED_SETTINGS)

    @cached_property
    def _changed_groups(self) -> frozenset[str]:
        groups = self.patch.get("groups", {})
        return frozenset(self.before.groups if groups is None else groups)

    def in_changed_settings(self, written: Mapping[str, Any]) -> bool:
        """Whether something outside this server, on which it may depend, changed."""
        return self._shared_changed or written.get("group") in self._changed_groups

    def own_patch(self, server_id: str) -> Any:
        """The server's part of the patch; `{}` when only something outside it changed."""
        return self.patch.get("mcpServers", {}).get(server_id, {})

    def expects(self, server_id: str) -> str:
        """Digest of the server's entry as accepted, masked."""
        return digest(masked_fields(self.before.servers[server_id], self.before.hide))


def decide_actions(question: Question) -> tuple[Action, ...]:
    """The one action of everything outside `mcpServers`, then one per server that differs, sorted by id."""
    settings = _settings_action(question)
    found = [_server_action(question, server_id) for server_id in sorted(_to_look_at(question))]
    return tuple(action for action in (settings, *found) if action)


def _to_look_at(question: Question) -> Iterator[str]:
    changed = question.patch.get("mcpServers", {})
    yield from changed
    for server_id, written in question.after.servers.items():
        if server_id not in changed and question.in_changed_settings(written):
            yield server_id


def decide_repairs(question: Question, acted_on: set[str]) -> tuple[Reconnect, ...]:
    """Sessions that are down although the file leaves their servers alone."""
    if not question.observed.engine:
        return ()
    repairs = []
    for server_id in sorted(question.after.servers.keys() - acted_on):
        enabled = question.after.facts(server_id)["enabled"]
        if enabled and (down := session_down(question.observed, question.before, server_id)):
            repair = Reconnect(server_id, (down,), ("reconnect",), risk="disruptive")
            repairs.append(replace(repair, launch=question.after.launch_digest(server_id)))
    return tuple(repairs)


def _settings_action(question: Question) -> Update | None:
    patch = {key: value for key, value in question.patch.items() if key != "mcpServers"}
    if not patch:
        return None
    before, after = question.before, question.after
    reasons = settings_reasons(question.sides)
    rules = compare_settings(before.settings, after.settings) if question.has_rules else Strictness()
    expects = digest(masked_document(before.settings, before.hide))
    action = Update(PROJECT, reasons, effects_of(reasons), patch=patch, expects=expects)
    return _marked(question, action, rules, opens=False, live_before=None)


def _server_action(question: Question, server_id: str) -> Action | None:
    if server_id not in question.before.servers:
        return _create(question, server_id)
    if server_id not in question.after.servers:
        return _delete(question, server_id)
    return _change(question, server_id)


def _create(question: Question, server_id: str) -> Create:
    after = question.after.facts(server_id)
    live = after["enabled"]
    reason = NotAccepted(question.sides.place_near(("mcpServers", server_id)))
    risk: Risk = "disruptive" if live else "safe"
    action = Create(server_id, (reason,), ("enable",) if live else (), risk=risk, patch=question.own_patch(server_id))
    rules = compare_rules(_plainest(question.after, server_id), after) if question.has_rules else Strictness()
    return _marked(question, action, Strictness(rules.weaker), opens=live, live_before=None)


def _plainest(desired: Document, server_id: str) -> Facts:
    """The server without rules and group of its own: what a new server has to be measured by.

    Else a server written anew under another id would be a way around its rules.
    """
    written = desired.servers[server_id]
    return _facts_under(desired.settings, server_id, {k: written[k] for k in _TRANSPORT_FIELDS if k in written})


def _facts_under(settings: Facts, server_id: str, written: Mapping[str, Any]) -> Facts:
    return Document({**settings, "mcpServers": {server_id: written}}).facts(server_id)


def _delete(question: Question, server_id: str) -> Delete:
    reason = NotInFile(server_id in question.named)
    with_settings = _settings_matter(question, server_id)
    expects = question.expects(server_id)
    return Delete(server_id, (reason,), risk="destructive", patch=None, expects=expects, with_settings=with_settings)


def _change(question: Question, server_id: str) -> Action | None:
    """The one action of a server that both documents hold; None when it means and says the same."""
    reasons = server_reasons(question.sides, server_id)
    if not reasons:
        return None
    before, after = question.before.facts(server_id), question.after.facts(server_id)
    if before["enabled"] and after["enabled"]:
        down = session_down(question.observed, question.before, server_id)
        reasons = (*reasons, down) if down else reasons
    effects = effects_of(reasons)
    kind = _kind(before["enabled"], after["enabled"], effects)
    action = kind(
        server_id,
        reasons,
        effects,
        risk=_RISKS[kind],
        patch=question.own_patch(server_id),
        expects=question.expects(server_id),
        with_settings=any(isinstance(reason, ProjectChanged) for reason in reasons)
        or _settings_matter(question, server_id),
    )
    live_before = before if before["enabled"] else None
    opens = kind in (Enable, Reconnect)
    return _marked(question, action, compare_rules(before, after), opens=opens, live_before=live_before)


def _kind(was_enabled: bool, enabled: bool, effects: tuple[Effect, ...]) -> type[_Change]:
    """The weightiest of what happens names the action; a server that is not live has nothing to reconnect."""
    if was_enabled != enabled:
        return Enable if enabled else Disable
    if enabled and "reconnect" in effects:
        return Reconnect
    return Regroup if effects == ("regroup",) else Update


def _settings_matter(question: Question, server_id: str) -> bool:
    """Whether the new settings would change the server as it is accepted now, should its own action have to wait."""
    written = question.before.servers[server_id]
    if not question.in_changed_settings(written):
        return False
    now = question.before.facts(server_id)
    return not equal(_facts_under(question.after.settings, server_id, written), now)


def _marked(
    question: Question, action: _OneAction, rules: Strictness, *, opens: bool, live_before: Facts | None
) -> _OneAction:
    """The action with what a person has to say yes to. `live_before` are the fields of the session that lives now."""
    launch = question.after.launch_digest(action.server) if opens else None
    words: tuple[str, ...] = ()
    if launch and launch not in question.accepted.yeses:
        live = launch_facts(live_before) if live_before is not None else {}
        words = launch_words(live, question.after.launch(action.server))
    held: dict[Mark, bool] = {"launch": bool(words), "loosen": bool(rules.weaker)}
    marks = frozenset(mark for mark in held if held[mark])
    tightens = bool(rules.stricter and not rules.weaker)
    return replace(action, marks=marks, launch=launch, tightens=tightens, notes=words + rules.notes())
