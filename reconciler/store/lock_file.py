"""The lock on the disk: `reconciler.lock` beside `reconciler.yaml`. Reads and writes Pins, whole or not at all.

JSON with sorted members and one definition per line, so that a change is one line in a diff and two people's changes
merge. Characters that cannot be seen are written as escapes: nothing hides in a review. A file that cannot be used is
Pins with problems, never Pins without pins.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

from reconciler.config.json_text import parse_json
from reconciler.model.pins import KEYS, Identity, Kind, Pin, Pins, ServerPins, definition_digest, one_line
from reconciler.problems import Place, Problem
from reconciler.store.files import text_digest, write_whole

VERSION: Final = 1
MAX_BYTES = 64 * 1024 * 1024
_MODE = 0o644
_LISTS: Mapping[Kind, str] = {"prompt": "prompts", "resourceTemplate": "resourceTemplates", "tool": "tools"}
_MEMBERS: Mapping[str, type | tuple[type, ...]] = {
    "clientCapabilities": dict,
    "instructions": (str, type(None)),
    "launch": (str, type(None)),
    "package": (str, type(None)),
    "prompts": dict,
    "protocolVersion": str,
    "resourceTemplates": dict,
    "serverInfo": (dict, type(None)),
    "tools": dict,
}
_UNSEEN = re.compile(
    "[\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u2800\u3000\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
"""Written out, not asked of the Unicode tables: the same lock must have the same bytes under every Python."""
_SUMMARIES = {
    "lock-unreadable": "The lock file cannot be read",
    "lock-too-large": "The lock file is too large",
    "lock-damaged": "The lock file is damaged",
    "lock-version": "A lock file of a newer version",
    "lock-digest": "A pin that was edited",
    "duplicate-key": "The same key twice",
}
_WAY_OUT = "take the file from git as it was, or write it anew with `reconciler lock` and read what changed"


class LockTooLarge(Exception):
    """The pins do not fit into a lock file; nothing was written."""


class _Wrong(Exception):
    """The file cannot be used. `path` are the keys that lead to the place."""

    def __init__(self, code: str, detail: str, *path: str, hint: str = _WAY_OUT) -> None:
        super().__init__(detail)
        self.code, self.path, self.hint = code, path, hint


def read_lock(path: Path, shown: str) -> Pins:
    """The lock at `path`, known to people as `shown`. A file that is not there pins nothing; nothing is raised."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Pins()
    except OSError as error:
        return _unusable("", _problem("lock-unreadable", f"{shown}: {error.strerror or error}", None))
    if len(data) > MAX_BYTES:
        detail = f"{shown} has more than {MAX_BYTES // 1024 // 1024} MiB"
        return _unusable(text_digest(data), _problem("lock-too-large", detail, Place(shown, 1, 1)))
    return lock_from(data, shown)


def lock_from(data: bytes, shown: str) -> Pins:
    """What these bytes pin."""
    found = text_digest(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unusable(
            found, _problem("lock-damaged", f"byte {data[error.start]:#04x} is not UTF-8", Place(shown, line, 1))
        )
    try:
        return Pins(found, dict(_servers(_DECODER.decode(text))))
    except _Wrong as wrong:
        place = _place(text, shown, wrong.path)
        said = [each for each in parse_json(text, shown)[1] if each.code == wrong.code == "duplicate-key"]
        return _unusable(found, *(said or [_problem(wrong.code, str(wrong), place, wrong.hint)]))
    except (ValueError, RecursionError) as error:
        return _unusable(found, *_syntax(text, shown, error))


def _unusable(found: str, *problems: Problem) -> Pins:
    return Pins(found, {}, problems)


def _problem(code: str, detail: str, place: Place | None, hint: str = _WAY_OUT) -> Problem:
    return Problem("error", code, _SUMMARIES[code], detail, place, hint)


def _syntax(text: str, shown: str, error: Exception) -> list[Problem]:
    """Why it is no JSON: said as of a configuration, but for what is only a configuration's limit or way out."""
    said = [each for each in parse_json(text, shown)[1] if not each.code.startswith("too-")]
    if said:
        return [each if each.code == "merge-conflict" else replace(each, hint=_WAY_OUT) for each in said]
    at = error if isinstance(error, json.JSONDecodeError) else None
    place = Place(shown, at.lineno, at.colno) if at else Place(shown, 1, 1)
    return [_problem("lock-damaged", "it nests too deeply or holds a number that JSON does not have", place)]


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise _Wrong("duplicate-key", f'"{twice}" stands here twice', twice)
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)


def _place(text: str, shown: str, path: Iterable[str]) -> Place:
    """Where the keys lead in a text in our own form; the first line where they lead nowhere."""
    offset = 0
    for key in path:
        found = text.find(f"{_text(key)}:", offset)
        if found < 0:
            break
        offset = found
    return Place(shown, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _servers(document: Any) -> Iterator[tuple[str, ServerPins]]:
    if not isinstance(document, dict) or type(document.get("lockVersion")) is not int:
        raise _Wrong("lock-damaged", "this is no lock file: it has no lockVersion")
    if document["lockVersion"] > VERSION:
        detail = f"it has version {document['lockVersion']}, this reads up to {VERSION}"
        raise _Wrong("lock-version", detail, "lockVersion", hint="use the reconciler that wrote it, or a newer one")
    if document["lockVersion"] != VERSION or document.keys() != {"lockVersion", "servers"}:
        raise _Wrong("lock-damaged", "its members are not lockVersion and servers")
    if not isinstance(document["servers"], dict):
        raise _Wrong("lock-damaged", "servers is no object", "servers")
    for server_id, server in document["servers"].items():
        yield server_id, _server(server, ("servers", server_id))


def _server(server: Any, path: tuple[str, ...]) -> ServerPins:
    if not isinstance(server, dict) or server.keys() != _MEMBERS.keys():
        raise _Wrong("lock-damaged", f'the members of "{path[-1]}" are not those of a pinned server', *path)
    for name, kind in _MEMBERS.items():
        if not isinstance(server[name], kind):
            raise _Wrong("lock-damaged", f"{name} has a value of another kind", *path, name)
    return ServerPins(
        server["launch"],
        server["instructions"],
        Identity(server["protocolVersion"], server["serverInfo"], server["clientCapabilities"], server["package"]),
        {kind: _pins(server[member], (*path, member)) for kind, member in _LISTS.items()},
    )


def _pins(pins: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Pin]:
    return {name: _pin(name, pin, (*path, name)) for name, pin in pins.items()}


def _pin(name: str, pin: Any, path: tuple[str, ...]) -> Pin:
    if not isinstance(pin, dict) or pin.keys() != {"definition", "digest"} or not isinstance(pin["definition"], dict):
        raise _Wrong("lock-damaged", f'"{name}" is not pinned by a definition and its digest', *path)
    kind = next(kind for kind, member in _LISTS.items() if member == path[-2])
    if pin["definition"].get(KEYS[kind]) != name:
        raise _Wrong("lock-digest", f'the definition under "{name}" has another {KEYS[kind]}', *path)
    if definition_digest(pin["definition"]) != pin["digest"]:
        raise _Wrong("lock-digest", f'the digest of "{name}" is not that of its definition', *path)
    return Pin(pin["digest"], pin["definition"])


# Out


def write_lock(path: Path, pins: Mapping[str, ServerPins]) -> str:
    """Write the lock in one step; answers the digest of its bytes. Raises OSError and LockTooLarge."""
    data = lock_text(pins).encode("utf-8")
    if len(data) > MAX_BYTES:
        raise LockTooLarge(f"the lock would have {len(data)} bytes, at most {MAX_BYTES} are read")
    write_whole(path, data, mode=None if path.exists() else _MODE)
    return text_digest(data)


def lock_text(pins: Mapping[str, ServerPins]) -> str:
    """The lock as text: the same pins give the same bytes on every machine."""
    servers = [f"    {_text(name)}: {_server_text(pins[name])}" for name in sorted(pins)]
    return f'{{\n  "lockVersion": {VERSION},\n  "servers": {_block(servers, 2)}\n}}\n'


def _server_text(server: ServerPins) -> str:
    who = server.identity
    members: dict[str, str] = {
        "clientCapabilities": _text(who.capabilities),
        "instructions": _text(server.instructions),
        "launch": _text(server.launch),
        "package": _text(who.package),
        "protocolVersion": _text(who.protocol),
        "serverInfo": _text(who.server_info),
    }
    for kind, member in _LISTS.items():
        lines = [f"        {_text(name)}: {_pin_text(pin)}" for name, pin in sorted(server.of(kind).items())]
        members[member] = _block(lines, 6)
    return _block([f"      {_text(name)}: {members[name]}" for name in sorted(members)], 4)


def _pin_text(pin: Pin) -> str:
    return f'{{"definition": {_text(pin.definition)}, "digest": {_text(pin.digest)}}}'


def _block(lines: list[str], indent: int) -> str:
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}" if lines else "{}"


def _text(value: Any) -> str:
    return _escaped(one_line(value))


def _escaped(text: str) -> str:
    """JSON text whose unseen characters are escapes; outside of strings it has none."""
    return _UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], text)
