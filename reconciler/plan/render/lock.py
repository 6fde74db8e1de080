"""What differs from the lock, for people: one line in events, status and plans, all of it in `lock --diff`.

Nothing of a definition is left out that is new, and nothing in it stays unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from reconciler.model.pins import KEYS, Drifted
from reconciler.plan.lock_diff import Changed, Difference, word_changes
from reconciler.plan.render.lines import Line, Role, Span
from reconciler.plan.render.values import label, shown, visible

_NAMES = 5
_LONGEST_NAME = 60
_CONTEXT = 60
_WORDS = {"tool": "tool", "prompt": "prompt", "resourceTemplate": "resource template"}
_SINGLE = {
    ("server", "new"): "new to the lock",
    ("server", "gone"): "no longer in the lock",
    ("launch", "new"): "something is launched now",
    ("launch", "changed"): "what is launched changed",
    ("launch", "gone"): "nothing is launched any more",
    ("instructions", "new"): "its instructions are new",
    ("instructions", "changed"): "its instructions changed",
    ("instructions", "gone"): "its instructions are gone",
}
_SIGNS: Mapping[str, tuple[str, Role]] = {"changed": ("~", "change"), "new": ("+", "add"), "gone": ("-", "remove")}
_KEY: Mapping[str, str] = {str(kind): key for kind, key in KEYS.items()}
_TAGS = re.compile("[\U000e0000-\U000e007f]+")


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
    named = ", ".join(_cut(visible(name, ascii_only=ascii_only)) for name in names[:_NAMES])
    return f"{named} and {len(names) - _NAMES} more" if len(names) > _NAMES else named


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def told_apart(differences: Sequence[Difference]) -> list[Difference]:
    """Those that one line does not tell: a whole server is not gone through tool by tool."""
    whole = any(each.drifted.kind == "server" for each in differences)
    return [] if whole else [each for each in differences if (each.drifted.kind, each.drifted.state) not in _SINGLE]


def difference_lines(differences: Iterable[Difference], *, ascii_only: bool = False) -> Iterator[Line]:
    """Each difference with everything that changed in it, word by word, indented by two."""
    for each in differences:
        yield from _lines(each, ascii_only)


def _lines(difference: Difference, ascii_only: bool) -> Iterator[Line]:
    drifted = difference.drifted
    sign, role = _SIGNS[drifted.state]
    if (drifted.kind, drifted.state) in _SINGLE:
        yield (Span(f"  {sign} ", role), Span(_SINGLE[drifted.kind, drifted.state]))
        return
    name = visible(drifted.name, ascii_only=ascii_only)
    head = (
        Span(f"  {sign} ", role),
        Span(_WORDS[drifted.kind] + " "),
        Span(name, "heading"),
        Span(f"  {drifted.state}", role),
    )
    counts = ", ".join(f"{kind} ({count})" for kind, count in difference.hidden.items())
    yield (*head, Span(f"   ! hidden in it: {counts}", "warning")) if counts else head
    for change in difference.changes:
        if drifted.state != "changed" and change.path == f"/{_KEY.get(drifted.kind)}":
            continue  # it stands in the line above
        yield (
            Span("      "),
            Span(label(change.path, ascii_only=ascii_only), "muted"),
            Span("  "),
            *_change(change, ascii_only),
        )


def _change(change: Changed, ascii_only: bool) -> Iterator[Span]:
    if change.state == "changed" and isinstance(change.before, str) and isinstance(change.after, str):
        yield from _words(change.before, change.after, ascii_only)
        return
    before, after = (_value(value, ascii_only) for value in (change.before, change.after))
    match change.state:
        case "changed":
            yield from (Span(before, "remove"), Span(" -> "), Span(after, "add"))
        case "new":
            yield Span(f"+ {after}", "add")
        case "gone":
            yield Span(f"- {before}", "remove")
        case never:
            assert_never(never)


def _words(before: str, after: str, ascii_only: bool) -> Iterator[Span]:
    pieces = word_changes(before, after)
    for index, (state, text) in enumerate(pieces):
        revealed = reveal(text, ascii_only=ascii_only)
        match state:
            case "gone":
                yield Span(f"[-{revealed}-]", "remove")
            case "new":
                yield Span(f"{{+{revealed}+}}", "add")
            case "same":
                yield Span(_shortened(revealed, index > 0, index < len(pieces) - 1, ascii_only))
            case never:
                assert_never(never)


def _shortened(text: str, after: bool, before: bool, ascii_only: bool) -> str:
    """What did not change: only as much as shows where the change stands."""
    gap = "..." if ascii_only else "…"
    head, tail = text[:_CONTEXT] if after else "", text[-_CONTEXT:] if before else ""
    return text if len(text) <= len(head) + len(tail) + len(gap) else f"{head}{gap}{tail}"


def _value(value: Any, ascii_only: bool) -> str:
    """A value whole; texts as they are, everything else as JSON."""
    if isinstance(value, str):
        return f'"{reveal(value, ascii_only=ascii_only)}"'
    return shown(_tags_revealed(value), ascii_only=ascii_only, whole=True)


def reveal(text: str, *, ascii_only: bool = False) -> str:
    """`text` with everything unseen written out; tag characters as the letters that they stand for."""
    return visible(_TAGS.sub(_tags, text), ascii_only=ascii_only)


def _tags(found: re.Match[str]) -> str:
    letters = (chr(ord(char) - 0xE0000) for char in found.group())
    return f"[tags: {''.join(letter if letter.isprintable() else '?' for letter in letters)}]"


def _tags_revealed(value: Any) -> Any:
    match value:
        case str():
            return _TAGS.sub(_tags, value)
        case dict():
            return {_TAGS.sub(_tags, key): _tags_revealed(member) for key, member in value.items()}
        case list():
            return [_tags_revealed(item) for item in value]
        case _:
            return value
