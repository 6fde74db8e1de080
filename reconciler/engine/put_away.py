"""Secrets of a patch: a literal goes into the vault and leaves a reference, and `***` keeps what is stored."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.config.rules_values import fits_header
from reconciler.config.words import named
from reconciler.model.document import hidden, is_secret_path, masked_text
from reconciler.model.secret import HIDDEN, BadReference, SecretRef, known_secrets_in, literal, parse_template
from reconciler.plan.pointers import Path
from reconciler.problems import Problem

_LONGEST = 110
"""Characters of a name before the number that makes it another one's."""
_SHOWN_WHOLE = frozenset({"command", "args", "cwd", "env", "url", "headers", "oauth", "azure"})
"""Fields of a server where a text with `***` in it can only have come from what was shown."""
_MAY_HOLD_SOME = ("args", "url")
"""Fields of a server of which only what is a secret of a known kind goes into the vault."""
_DECIDES = ("env", *_MAY_HOLD_SOME)
_KEEP = object()

FindUses = Callable[[], Mapping[str, Collection[Path]]]
"""Where each secret is referred to, in any document that counts."""


@dataclass
class PutAway:
    """A patch without its secrets. `values` are for the vault, by name; `problems` say what could not be."""

    patch: dict[str, Any] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    servers: frozenset[str] = frozenset()
    """Those that the values are for."""


def put_away(
    patch: Mapping[str, Any],
    stored: Mapping[str, Any],
    uses: FindUses,
    taken: Callable[[], Collection[str]],
    *,
    anew: bool,
) -> PutAway:
    """`stored` is the document that the patch changes; `taken` are the names of the vault.

    A literal becomes a new version of the secret that stands at its place, where that was named for the place and
    stands nowhere else; else it gets a name of its own. With `anew` one in `env`, `args` or `url` always does: what
    decides what a program does is then never changed behind a launch that somebody said yes to.
    """
    made = _Walk(uses, taken, anew)
    made.result.patch = made.members(dict(patch), dict(stored), ())
    return made.result


def secret_uses(*documents: Mapping[str, Any]) -> dict[str, set[Path]]:
    """Where documents refer to secrets, by name."""
    found: dict[str, set[Path]] = defaultdict(set)
    for document in documents:
        for text, path in _texts(document, ()):
            if "${secret:" in text:
                for name in _names(text):
                    found[name].add(path)
    return found


def _texts(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _texts(member, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _names(text: str) -> set[str]:
    try:
        return {reference.name for reference in parse_template(text).references if reference.scheme == "secret"}
    except BadReference:
        return set()


class _Walk:
    """One patch on its way."""

    def __init__(self, uses: FindUses, taken: Callable[[], Collection[str]], anew: bool) -> None:
        self.result = PutAway()
        self._find_uses = uses
        self._find_taken = taken
        self._anew = anew
        self._uses: Mapping[str, Collection[Path]] | None = None
        self._taken: set[str] = set()

    def members(self, patch: dict[str, Any], stored: Any, path: Path) -> dict[str, Any]:
        """A patch of an object; what is kept is left out, so that it stays where it is written."""
        known = stored if isinstance(stored, dict) else {}
        changed = {key: self._value(value, known.get(key), (*path, key)) for key, value in patch.items()}
        return {key: value for key, value in changed.items() if value is not _KEEP}

    def _value(self, value: Any, stored: Any, path: Path) -> Any:
        match value:
            case str():
                return self._text(value, stored, path)
            case dict():
                return self.members(value, stored, path)
            case list():
                return [self._item(item, stored, index, (*path, index)) for index, item in enumerate(value)]
            case _:
                return value

    def _item(self, item: Any, stored: Any, index: int, path: Path) -> Any:
        """Lists are replaced whole, so what is kept is put in; an item that moved is known by how it is shown."""
        known = stored if isinstance(stored, list) else []
        if not isinstance(item, str) or HIDDEN not in item:
            return self._value(item, known[index] if index < len(known) else None, path)
        same = [
            old for old in (*known[index : index + 1], *known) if isinstance(old, str) and _shown(old, path) == item
        ]
        return same[0] if same else self._text(item, None, path)

    def _text(self, text: str, stored: Any, path: Path) -> Any:
        if HIDDEN in text:
            if isinstance(stored, str) and (text == HIDDEN or _shown(stored, path) == text):
                return _KEEP
            if text == HIDDEN or (path[0] == "mcpServers" and path[2:3] and path[2] in _SHOWN_WHOLE):
                self._refuse_nothing_stored(path)
                return text
        if _in_server(path)[:1] and path[2] in _MAY_HOLD_SOME:
            return self._without_known(text, stored, path)
        whole = _literal(text) if is_secret_path(_in_server(path)) else None
        return self._reference(whole, stored, path) if whole else text

    def _without_known(self, text: str, stored: Any, path: Path) -> str:
        """The text with a reference for each secret of a known kind: the one that is there, where the rest is too."""
        pieces, before = _pieces(text), _parts(stored) if isinstance(stored, str) else ()
        if not any(isinstance(piece, _Found) for piece in pieces):
            return text
        references = [part for part in before if isinstance(part, SecretRef)]
        same = len(before) == len(pieces) and len(references) == len(set(references))
        same = same and all(
            isinstance(old, SecretRef) if isinstance(new, _Found) else new == old
            for new, old in zip(pieces, before, strict=True)
        )
        told = ""
        for place, piece in enumerate(pieces):
            match piece:
                case _Found():
                    told += self._reference(piece.text, str(before[place]) if same else None, path)
                case SecretRef():
                    told += str(piece)
                case _:
                    told += literal(piece)
        return told

    def _reference(self, value: str, stored: Any, path: Path) -> str:
        """The value goes into the vault; what is put into its place."""
        if path[2] == "headers" and not fits_header(value):
            self._refuse("bad-header-value", "Not a usable header value", path, "holds what no header can")
        elif "\0" in value:
            self._refuse("control-character", "A character that is not for text", path, "holds U+0000")
        name = self._name(stored, path)
        self.result.values[name] = value
        self.result.servers |= {str(path[1])}
        return str(SecretRef("secret", name))

    def _name(self, stored: Any, path: Path) -> str:
        wished = re.sub(r"[^A-Za-z0-9._-]", "_", ".".join(map(str, path[1:])))[:_LONGEST]
        if self._uses is None:
            self._uses, self._taken = self._find_uses(), set(self._find_taken())
        mine = _names(stored) if isinstance(stored, str) and _literal(stored) is None else set()
        for name in mine:
            named_so = (
                re.fullmatch(rf"{re.escape(wished)}(-[0-9]+)?", name) and str(SecretRef("secret", name)) == stored
            )
            if named_so and set(self._uses[name]) <= {path} and not (self._anew and path[2] in _DECIDES):
                return name
        number, name = 1, wished
        while name in self._taken or name in self._uses:
            number, name = number + 1, f"{wished}-{number + 1}"
        self._taken.add(name)
        return name

    def _refuse_nothing_stored(self, path: Path) -> None:
        hint = "send the value itself, or leave the member out"
        detail = f'{named(path)}: "{HIDDEN}" keeps what is stored, and nothing is stored there'
        self.result.problems.append(
            Problem("error", "nothing-stored", "Nothing is stored there", detail, None, hint, path)
        )

    def _refuse(self, code: str, summary: str, path: Path, why: str) -> None:
        self.result.problems.append(Problem("error", code, summary, f"{named(path)} {why}", None, None, path))


def _in_server(path: Path) -> Path:
    return path[2:] if path[0] == "mcpServers" else ()


def _shown(text: str, path: Path) -> str:
    return masked_text(text, hidden, path)


@dataclass(frozen=True, slots=True)
class _Found:
    """A secret of a known kind, in a text."""

    text: str


def _parts(text: str) -> tuple[str | SecretRef, ...]:
    """None of a text whose references are wrong, which is said elsewhere."""
    try:
        return parse_template(text).parts
    except BadReference:
        return ()


def _pieces(text: str) -> list[str | SecretRef | _Found]:
    """A text cut at its references and at what is a secret."""
    pieces: list[str | SecretRef | _Found] = []
    for part in _parts(text):
        if isinstance(part, SecretRef):
            pieces.append(part)
            continue
        end = 0
        for start, stop in known_secrets_in(part):
            pieces += [part[end:start], _Found(part[start:stop])]
            end = stop
        pieces.append(part[end:])
    return [piece for piece in pieces if piece != ""]


def _literal(text: str) -> str | None:
    """The value of a text without references; None for one with some, for an empty one, and for one that is wrong."""
    try:
        template = parse_template(text)
    except BadReference:
        return None
    return "".join(map(str, template.parts)) or None if not template.references else None
