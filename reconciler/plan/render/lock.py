"""What differs from the lock, in words for people: in events, status, plans and on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.plan.lock import Drifted
from reconciler.plan.render.values import visible

_NAMES = 5
_LONGEST_NAME = 60
_WORDS = {"tool": "tool", "prompt": "prompt", "resourceTemplate": "resource template"}
_SINGLE = {
    ("launch", "new"): "the lock does not have this server",
    ("launch", "changed"): "what is launched changed",
    ("launch", "gone"): "nothing is launched any more",
    ("instructions", "new"): "its instructions are new",
    ("instructions", "changed"): "its instructions changed",
    ("instructions", "gone"): "its instructions are gone",
}


def drift_text(drift: Iterable[Drifted], *, ascii_only: bool = False) -> str:
    """`2 tools changed (a, b), 1 prompt new (c)`; what a server names is made harmless and cut."""
    parts: list[str] = []
    groups: dict[tuple[str, str], list[str]] = {}
    for each in drift:
        if (each.kind, each.state) in _SINGLE:
            parts.append(_SINGLE[each.kind, each.state])
        else:
            groups.setdefault((each.kind, each.state), []).append(each.name)
    for (kind, state), names in groups.items():
        noun = _WORDS[kind] + ("" if len(names) == 1 else "s")
        parts.append(f"{len(names)} {noun} {state} ({_listed(names, ascii_only)})")
    return ", ".join(parts)


def _listed(names: list[str], ascii_only: bool) -> str:
    shown = ", ".join(_cut(visible(name, ascii_only=ascii_only)) for name in names[:_NAMES])
    return f"{shown} and {len(names) - _NAMES} more" if len(names) > _NAMES else shown


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
