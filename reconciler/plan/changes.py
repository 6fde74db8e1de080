"""What differs, field by field, and why: the reasons that actions carry. Reads two Documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from reconciler.merge_patch import equal
from reconciler.model.document import RECONNECT_FIELDS, Document, Facts, masked_document, masked_fields
from reconciler.model.written import SERVER_FIELDS, Effect, effect_of
from reconciler.plan.actions import FieldChanged, NotAccepted, NotInFile, ProjectChanged, Reason, SessionDown
from reconciler.plan.pointers import Path, at, differing, pointer
from reconciler.problems import Place

FindPlace: TypeAlias = Callable[[Path], Place | None]
"""A path into the written document -> where the file says it; None when it does not."""

EFFECTS: tuple[Effect, ...] = ("enable", "reconnect", "policy", "display", "regroup")
_FIELD_ORDER = {name: index for index, name in enumerate(SERVER_FIELDS)}


@dataclass(frozen=True, slots=True)
class Sides:
    """The two documents that are compared, and where the new one says what."""

    before: Document
    after: Document
    place: FindPlace

    def place_near(self, path: Path) -> Place | None:
        """The place of `path` in the file, or of the nearest thing around it that is there."""
        while path:
            if found := self.place(self._as_written(path)):
                return found
            path = path[:-1]
        return None

    def _as_written(self, path: Path) -> Path:
        """Facts name things that the file may say otherwise: `disabled`, and names in an `env` list."""
        if len(path) < 3 or path[0] != "mcpServers":
            return path
        written = self.after.servers.get(str(path[1]), {})
        if path[2] == "enabled" and "enabled" not in written and "disabled" in written:
            return (*path[:2], "disabled")
        names = written.get("env")
        if path[2] == "env" and len(path) > 3 and isinstance(names, list) and path[3] in names:
            return (*path[:3], names.index(path[3]))
        return path


def effects_of(reasons: Iterable[Reason]) -> tuple[Effect, ...]:
    """All that the reasons change, the weightiest first."""
    found = {_effect(reason) for reason in reasons}
    return tuple(effect for effect in EFFECTS if effect in found)


def _effect(reason: Reason) -> Effect | None:
    match reason:
        case FieldChanged() | ProjectChanged():
            return reason.effect
        case SessionDown():
            return "reconnect"
        case NotAccepted() | NotInFile():
            return None
        case _:
            assert_never(reason)


def server_reasons(sides: Sides, server_id: str) -> tuple[Reason, ...]:
    """Why a server that both documents hold is not the same any more; empty when it is."""
    before, after = sides.before.facts(server_id), sides.after.facts(server_id)
    changed = _differing_members(before, after)
    own = _differing_members(sides.before.servers[server_id], sides.after.servers[server_id])
    if "disabled" in own and "enabled" in changed:
        own = own - {"disabled"} | {"enabled"}
    reasons: list[Reason] = []
    for name in sorted(changed | own, key=lambda name: (_FIELD_ORDER.get(name, len(_FIELD_ORDER)), name)):
        if name in changed:
            reasons += _effective_changes(sides, server_id, name, name in own)
        else:
            reasons.append(_respelled(sides, server_id, name))
    return tuple(reasons)


def _differing_members(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if not equal(before.get(name), after.get(name))}


def _effective_changes(sides: Sides, server_id: str, name: str, own: bool) -> Iterator[Reason]:
    hide = sides.after.hide
    before, after = _only(sides.before.facts(server_id), name), _only(sides.after.facts(server_id), name)
    shown_before, shown_after = masked_fields(before, hide), masked_fields(after, hide)
    effect: Effect = "reconnect" if name in RECONNECT_FIELDS else effect_of(name)
    for path, left, right in differing(before.get(name), after.get(name), (name,)):
        old = None if left is None else at(shown_before, path)
        new = None if right is None else at(shown_after, path)
        sensitive = not (equal(old, left) and equal(new, right))
        cause = None if own and name != "timeouts" else _cause_outside(sides, server_id, path)
        if cause:
            place = sides.place_near(cause)
            yield ProjectChanged(pointer(cause), pointer(path), old, new, effect, place, sensitive)
        else:
            place = sides.place_near(_own_cause(sides, server_id, path, own))
            yield FieldChanged(pointer(path), old, new, effect, place, sensitive)


def _only(facts: Facts, name: str) -> Facts:
    return {name: facts[name]} if name in facts else {}


def _own_cause(sides: Sides, server_id: str, path: Path, own: bool) -> Path:
    """The group is to blame for what follows from the group alone."""
    server: Path = ("mcpServers", server_id)
    follows_group = not own and path[0] in ("enabled", "requireApproval")
    return (*server, "group") if follows_group else (*server, *path)


def _cause_outside(sides: Sides, server_id: str, path: Path) -> Path | None:
    """The setting outside the server that made its effective field at `path` another one, if one did."""
    before, after = sides.before, sides.after
    for candidate in _settings_behind(before, after, server_id, path):
        if not equal(at(before.settings, candidate), at(after.settings, candidate)):
            return candidate
    return None


def _settings_behind(before: Document, after: Document, server_id: str, path: Path) -> Iterator[Path]:
    group = after.servers[server_id].get("group")
    same_group = group is not None and before.servers[server_id].get("group") == group
    match path[0]:
        case "enabled" if same_group:
            yield ("groups", group, "enabled")
        case "requireApproval":
            if same_group:
                yield ("groups", group, "requireApproval")
            yield ("defaults", "requireApproval")
        case "timeouts":
            if equal(at(before.servers[server_id], path), at(after.servers[server_id], path)):
                yield ("defaults", *path)
                yield path
        case "lock" | "envFile":
            yield path


def _respelled(sides: Sides, server_id: str, name: str) -> FieldChanged:
    """A field that is written differently and means the same: a default spelled out, names in another order."""
    hide = sides.after.hide
    before = _only(dict(sides.before.servers[server_id]), name)
    after = _only(dict(sides.after.servers[server_id]), name)
    old, new = masked_fields(before, hide).get(name), masked_fields(after, hide).get(name)
    sensitive = not (equal(old, before.get(name)) and equal(new, after.get(name)))
    place = sides.place_near(("mcpServers", server_id, name))
    return FieldChanged(pointer((name,)), old, new, "display", place, sensitive)


def settings_reasons(sides: Sides) -> tuple[Reason, ...]:
    """What differs outside `mcpServers`; the paths are pointers into the document."""
    before, after = sides.before.settings, sides.after.settings
    hide = sides.after.hide
    shown_before, shown_after = masked_document(before, hide), masked_document(after, hide)
    reasons = []
    for path, left, right in differing(before, after):
        old = None if left is None else at(shown_before, path)
        new = None if right is None else at(shown_after, path)
        sensitive = not (equal(old, left) and equal(new, right))
        reasons.append(FieldChanged(pointer(path), old, new, _settings_effect(path), sides.place_near(path), sensitive))
    return tuple(reasons)


def _settings_effect(path: Path) -> Effect:
    match path:
        case ("envFile", *_):
            return "reconnect"
        case ("groups", _, "enabled"):
            return "enable"
        case ("groups", _, "requireApproval") | ("defaults" | "timeouts" | "lock" | "approvals", *_):
            return "policy"
        case _:
            return "display"
