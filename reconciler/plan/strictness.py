"""Which rules became weaker, and which stricter: what decides the loosen mark. Reads effective fields and settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.document import DEFAULT_KEEP, DEFAULT_VIA, Facts
from reconciler.model.server import approval_of, seconds
from reconciler.plan.globs import contains, fits, is_glob, may_overlap, specificity

_APPROVALS = {"never": 0, "writes": 1, "always": 2}
_LOCKS = {"off": 0, "warn": 1, "enforce": 2}

Rules = dict[str, int]
"""How strictly the tools are treated that a name or glob selects."""


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
    return Strictness(_weaker_rules(before, after), _weaker_rules(after, before))


def compare_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Strictness:
    """The rules outside `mcpServers`: defaults, groups, the lock, and how approvals are asked for."""
    return Strictness(_weaker_settings(before, after), _weaker_settings(after, before))


def _weaker_rules(before: Facts, after: Facts) -> tuple[str, ...]:
    return _true(
        ("approval", _approval(after) < _approval(before) or any(_weaker_tools(before, after))),
        ("the tool filter", not _selects_no_more(_allowed(before), _allowed(after))),
        ("the tool filter", not _selects_no_more(after.get("denyTools", ()), before.get("denyTools", ()))),
        ("the lock", _LOCKS[after["lock"]] < _LOCKS[before["lock"]]),
        ("its protection", before["protect"] and not after["protect"]),
    )


def _weaker_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    groups = (*before.get("groups", {}), *after.get("groups", {}))
    old, new = before.get("approvals", {}), after.get("approvals", {})
    return _true(
        ("approval", _default(after) < _default(before)),
        ("approval", any(_default(after, group) < _default(before, group) for group in groups)),
        ("the lock", _LOCKS[after.get("lock", "warn")] < _LOCKS[before.get("lock", "warn")]),
        ("who may approve", bool(set(new.get("via", DEFAULT_VIA)) - set(old.get("via", DEFAULT_VIA)))),
        ("how long approvals wait", seconds(new.get("keep", DEFAULT_KEEP)) > seconds(old.get("keep", DEFAULT_KEEP))),
    )


def _true(*rules: tuple[str, bool]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, holds in rules if holds))


def _approval(fields: Mapping[str, Any]) -> int:
    return _APPROVALS[approval_of(fields["requireApproval"])]


def _default(settings: Mapping[str, Any], group: str | None = None) -> int:
    """What holds for a server that says nothing itself."""
    levels = (settings.get("groups", {}).get(group, {}), settings.get("defaults", {}), {"requireApproval": True})
    return _approval(next(level for level in levels if "requireApproval" in level))


def _allowed(facts: Facts) -> Iterable[str]:
    allowed: Iterable[str] = facts.get("allowTools", ("*",))
    return allowed


def _selects_no_more(before: Iterable[str], after: Iterable[str]) -> bool:
    before = tuple(before)
    return all(any(contains(glob, pattern) for glob in before) for pattern in after)


def _weaker_tools(before: Facts, after: Facts) -> Iterator[bool]:
    """For each changed tool rule, whether some tool may be treated less strictly than it was."""
    old, new = _tool_rules(before), _tool_rules(after)
    for tool in old.keys() | new.keys():
        if old.get(tool) == new.get(tool):
            continue
        if not is_glob(tool):
            yield _answer(new, tool, _approval(after)) < _answer(old, tool, _approval(before))
        elif tool in old and tool in new:
            yield new[tool] < old[tool]
        elif tool in new:
            yield new[tool] < max(_otherwise(old, tool, _approval(before)))
        else:
            yield min(_otherwise(new, tool, _approval(after))) < old[tool]


def _tool_rules(facts: Facts) -> Rules:
    return {name: _approval(rule) for name, rule in facts.get("tools", {}).items() if "requireApproval" in rule}


def _answer(rules: Rules, tool: str, server: int) -> int:
    """What holds for one tool: its most specific rule, else the server's."""
    fitting = [pattern for pattern in rules if fits(tool, pattern)]
    return rules[max(fitting, key=specificity)] if fitting else server


def _otherwise(rules: Rules, glob: str, server: int) -> set[int]:
    """All that may hold for tools that `glob` selects, were it not there."""
    globs = [pattern for pattern in rules if is_glob(pattern)]
    beaten = [pattern for pattern in globs if may_overlap(pattern, glob) and specificity(pattern) < specificity(glob)]
    covered = any(contains(pattern, glob) for pattern in beaten)
    return {rules[pattern] for pattern in beaten} | (set() if covered else {server})
