"""`vault.json`: sealed secrets with their names and versions, and which key opens them. Read and written whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from reconciler.store.files import write_whole

FORMAT = "reconciler.vault"
VERSION = 1

Holder = Literal["keyring", "file", "environment"]
HOLDERS: tuple[Holder, ...] = get_args(Holder)
"""Who keeps the key: the system's keyring, a file beside the vault, or an environment variable."""

_ID = re.compile(r"[0-9a-f]{16}")
_MEMBERS = ("name", "version", "created", "updated", "sealed")


class VaultError(Exception):
    """The vault cannot do what it was asked. `code` is vault-damaged, vault-key, bad-name, bad-value or too-large."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is. `id` is 16 hex of a digest of it: enough to know it again, and of no use without it."""

    holder: Holder
    id: str


@dataclass(frozen=True, slots=True)
class Record:
    """One secret. Times are UTC, ISO 8601; `sealed` is base64 of nonce and AES-256-GCM text."""

    name: str
    version: int
    created: str
    updated: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole vault. `id` is its own name, 16 hex; `retired` are keys that open nothing any more and may still be kept.

    `floor` is the highest version of a secret that was removed: a new one counts on from there.
    """

    id: str
    key: KeyPlace
    records: Mapping[str, Record] = field(default_factory=dict)
    retired: tuple[KeyPlace, ...] = ()
    floor: int = 0


def read_contents(path: Path) -> Contents | None:
    """What is stored; None where there is no vault yet. Raises VaultError, OSError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        stored = json.loads(data)
        if stored["format"] != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, _why(error)) from None
    if stored.get("version") != VERSION:
        raise _damaged(path, f"it was written by another version of the reconciler ({stored.get('version')!r:.20})")
    try:
        key, retired = _place(stored["key"]), tuple(map(_place, stored["retired"]))
        vault, floor, rows = _matching(stored["id"], _ID), _count(stored["floor"], 0), _listed(stored["secrets"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, _why(error)) from None
    return Contents(vault, key, _records(path, rows), retired, floor)


def write_contents(path: Path, contents: Contents) -> None:
    """Replace it, a line for each secret; durable when this returns. Raises OSError; then the old file stands."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "id": contents.id,
        "key": asdict(contents.key),
        "retired": [asdict(place) for place in contents.retired],
        "floor": contents.floor,
    }
    rows = ",\n".join(json.dumps(_row(record)) for _, record in sorted(contents.records.items()))
    write_whole(path, f'{json.dumps(head)[:-1]}, "secrets": [\n{rows}\n]}}\n', mode=0o600)


def _row(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _MEMBERS}


def _records(path: Path, rows: Sequence[Any]) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for index, row in enumerate(rows):
        name = row.get("name") if isinstance(row, dict) else None
        called = f'the secret "{name:.128}"' if isinstance(name, str) else f"the secret at place {index + 1}"
        try:
            record = _record(row)
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path, f"{called}: {_why(error)}") from None
        if record.name in records:
            raise _damaged(path, f"{called} is there twice")
        records[record.name] = record
    return records


def _record(row: Mapping[str, Any]) -> Record:
    texts = {name: _text(row[name]) for name in ("name", "created", "updated", "sealed")}
    return Record(version=_count(row["version"], 1), **texts)


def _place(value: Mapping[str, Any]) -> KeyPlace:
    if value["holder"] not in HOLDERS:
        raise ValueError("nobody knows who keeps its key")
    return KeyPlace(value["holder"], _matching(value["id"], _ID))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _matching(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("an id in it is not one")
    return value


def _count(value: Any, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError("a number in it cannot be")
    return value


def _listed(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _why(error: Exception) -> str:
    """The reason without the bytes that a decoding error would quote."""
    match error:
        case json.JSONDecodeError() | UnicodeError() | RecursionError():
            return "it is not JSON"
        case KeyError():
            return f"{error.args[0]!r} is missing"
        case TypeError():
            return "something in it has the wrong shape"
        case _:
            return str(error)


def _damaged(path: Path, why: str) -> VaultError:
    hint = "restore it from a backup; or move it away, and every secret has to be set again"
    return VaultError("vault-damaged", f"{path} is damaged: {why}", hint)
