"""What a person has to say yes to, and what is not done at all: loosened rules, new launches, the deletion guard."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from reconciler.merge_patch import equal
from reconciler.model.accepted import Accepted
from reconciler.model.document import Facts, launch_facts
from reconciler.model.server import approval_of, seconds
from reconciler.plan.actions import Blocked

MASS_DELETE: Final = "mass-delete"
MASS_COUNT = 3
MASS_SHARE = 0.30

_APPROVALS = {"never": 0, "writes": 1, "always": 2}
_LOCKS = {"off": 0, "warn": 1, "enforce": 2}
_VIA = ["page", "cli"]
_KEEP = "8h"
_LAUNCH_WORDS = {
    "command": "new command",
    "args": "new command",
    "cwd": "new directory",
    "origin": "new address",
    "issuer": "new sign-in server",
    "authority": "new sign-in server",
    "env": "new environment",
    "envFile": "new environment",
    "references": "new reference",
}


@dataclass(frozen=True, slots=True)
class Strictness:
    """Which rules became weaker and which stricter, in words."""

    weaker: tuple[str, ...] = ()
    stricter: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """`loosens approval`, one for each weaker rule."""
        return tuple(f"loosens {rule}" for rule in self.weaker)


def compare_rules(before: Facts, after: Facts) -> Strictness:
    """A server's rules as they were and as they will be, both effective (`Document.facts`)."""
    return _gathered(
        [
            ("approval", _approval(before) - _approval(after)),
            *(("approval", _rule(before, tool) - _rule(after, tool)) for tool in _ruled_tools(before, after)),
            *(("the tool filter", step) for step in _allowed_more(before.get("allowTools"), after.get("allowTools"))),
            *(("the tool filter", step) for step in _denied_less(before, after)),
            ("the lock", _LOCKS[before["lock"]] - _LOCKS[after["lock"]]),
            ("its protection", before["protect"] - after["protect"]),
        ]
    )


def compare_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Strictness:
    """The rules outside `mcpServers`: defaults, groups, the lock, and how approvals are asked for."""
    groups = sorted({*before.get("groups", {}), *after.get("groups", {})})
    via_before, via_after = (set(settings.get("approvals", {}).get("via", _VIA)) for settings in (before, after))
    keep = [seconds(settings.get("approvals", {}).get("keep", _KEEP)) for settings in (before, after)]
    return _gathered(
        [
            ("approval", _group_approval(before) - _group_approval(after)),
            *(("approval", _group_approval(before, group) - _group_approval(after, group)) for group in groups),
            ("the lock", _LOCKS[before.get("lock", "warn")] - _LOCKS[after.get("lock", "warn")]),
            ("who may approve", bool(via_after - via_before)),
            ("who may approve", -bool(via_before - via_after)),
            ("how long approvals wait", keep[1] - keep[0]),
        ]
    )


def _gathered(steps: Iterable[tuple[str, float]]) -> Strictness:
    """Positive steps loosen, negative ones tighten."""
    steps = list(steps)
    weaker = dict.fromkeys(rule for rule, step in steps if step > 0)
    return Strictness(tuple(weaker), tuple(dict.fromkeys(rule for rule, step in steps if step < 0)))


def _approval(fields: Mapping[str, Any], otherwise: Any = True) -> int:
    return _APPROVALS[approval_of(fields.get("requireApproval", otherwise))]


def _group_approval(settings: Mapping[str, Any], group: str | None = None) -> int:
    default = settings.get("defaults", {}).get("requireApproval", True)
    return _approval(settings.get("groups", {}).get(group, {}), default)


def _ruled_tools(before: Facts, after: Facts) -> list[str]:
    return sorted({*before.get("tools", {}), *after.get("tools", {})})


def _rule(facts: Facts, tool: str) -> int:
    """How strictly `tool` (a name, or a glob taken as a name) is treated: by its nearest rule, else as the server."""
    rules = {pattern: rule for pattern, rule in facts.get("tools", {}).items() if "requireApproval" in rule}
    fitting = [pattern for pattern in rules if pattern == tool or fnmatchcase(tool, pattern)]
    if not fitting:
        return _approval(facts)
    nearest = max(fitting, key=lambda pattern: (pattern == tool, sum(char not in "*?[]" for char in pattern)))
    return _approval(rules[nearest])


def _allowed_more(before: list[str] | None, after: list[str] | None) -> Iterator[int]:
    everything = ["*"]
    yield from _wider(everything if before is None else before, everything if after is None else after)


def _denied_less(before: Facts, after: Facts) -> Iterator[int]:
    yield from (-step for step in _wider(before.get("denyTools", []), after.get("denyTools", [])))


def _wider(before: list[str], after: list[str]) -> Iterator[int]:
    """1 when `after` selects tools that `before` does not, -1 the other way round; both may come."""
    yield int(not all(_selected(pattern, before) for pattern in after))
    yield -int(not all(_selected(pattern, after) for pattern in before))


def _selected(pattern: str, globs: list[str]) -> bool:
    """Whether every tool that `pattern` selects is surely selected by one of `globs`."""
    return any(glob == pattern or _contains(glob, pattern) for glob in globs)


def _contains(glob: str, pattern: str) -> bool:
    """Cautious: sets of characters are only contained in `*`, and only a `*` contains another glob's wildcards."""
    if glob == "*":
        return True
    wild = any(char in pattern for char in "*?[")
    return fnmatchcase(pattern, glob) and not (wild and any(char in "?[" for char in glob + pattern))


def launch_words(before: Facts | None, after: Facts) -> tuple[str, ...]:
    """What is new about what a server runs or contacts, in words. `before` is None when it was not live."""
    new = launch_facts(after)
    old = launch_facts(before) if before is not None else {}
    if old:
        changed = [name for name in new if not equal(old.get(name), new[name])] or [*(old.keys() - new.keys())]
    else:
        changed = [name for name in ("command", "origin") if name in new]
    return tuple(dict.fromkeys(words for name, words in _LAUNCH_WORDS.items() if name in changed))


def blocked_deletions(
    accepted: Accepted, deleted: Collection[str], named: Collection[str], allow: Collection[str]
) -> tuple[Blocked, ...]:
    """The deletions that are refused, with the way out: protected servers, and many that nobody named."""
    blocked = []
    shielded = tuple(sorted(server_id for server_id in deleted if is_protected(accepted, server_id)))
    if shielded:
        blocked.append(_protected(shielded))
    unnamed = tuple(sorted(set(deleted) - set(named)))
    if MASS_DELETE not in allow and _too_many(len(unnamed), len(deleted), len(accepted.document.servers)):
        blocked.append(_mass_delete(unnamed, len(accepted.document.servers)))
    return tuple(blocked)


def is_protected(accepted: Accepted, server_id: str) -> bool:
    """Whether its deletion is refused: `protect: true` was applied, and `protect: false` not since."""
    return server_id in accepted.protected or accepted.document.servers[server_id].get("protect", False)


def _too_many(unnamed: int, deleted: int, existing: int) -> bool:
    everything = unnamed > 0 and deleted == existing >= 2
    return everything or (unnamed >= MASS_COUNT and unnamed > MASS_SHARE * existing)


def _protected(servers: tuple[str, ...]) -> Blocked:
    names = ", ".join(servers)
    one = len(servers) == 1
    return Blocked(
        "protected",
        servers,
        f"{names} {'is' if one else 'are'} protected",
        f"put {'it' if one else 'them'} back with `protect: false`, apply, then remove {'it' if one else 'them'}",
    )


def _mass_delete(servers: tuple[str, ...], existing: int) -> Blocked:
    return Blocked(
        MASS_DELETE,
        servers,
        f"{len(servers)} of {existing} servers would be deleted and nobody named them: {', '.join(servers)}",
        "if that is meant: `reconciler apply --allow mass-delete`",
    )
