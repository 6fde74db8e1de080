"""The vault: named secrets of one project, each sealed for its name and version. The engine and the command line write.

Names that begin with `@` are the product's own: no reference reaches them, and no list shows them.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import RLock
from typing import TypeAlias

from reconciler.model.secret import SECRET_NAME
from reconciler.store.sealed import open_text, seal_text
from reconciler.store.state_dir import StateDir
from reconciler.store.vault_file import Contents, Holder, KeyPlace, Record, VaultError, read_contents, write_contents
from reconciler.store.vault_keys import Keys

__all__ = ["Secret", "Vault", "VaultError"]

LARGEST_VALUE = 64 * 1024
"""Bytes of UTF-8."""
MOST_SECRETS = 10_000

_INTERNAL = "@"
_INTERNAL_NAME = re.compile(r"@[!-~]{1,511}")

Change: TypeAlias = Callable[[Contents], Contents]


@dataclass(frozen=True, slots=True)
class Secret:
    """What may be shown of a stored secret. Times are UTC, ISO 8601; `version` grows with every new value."""

    name: str
    version: int
    created_at: str
    updated_at: str


class Vault:
    """The stored secrets of one project. What another process writes is seen at the next look. Any thread may ask.

    Every method raises VaultError where the file is damaged or its key is not to be had, and OSError.
    """

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._keys = Keys(state.path)
        self._guard = RLock()
        self._seen: tuple[int, ...] | None = None
        self._contents: Contents | None = None
        self._key: tuple[KeyPlace, bytes] | None = None

    def get(self, name: str) -> str | None:
        """The value of a secret; None when there is none. A record that was altered is said by its name."""
        with self._guard:
            contents = self._current()
            record = contents.records.get(name) if contents else None
            return None if contents is None or record is None else self._opened(contents, record)

    def list(self) -> tuple[Secret, ...]:
        """The secrets people stored, by name. No key is needed."""
        return tuple(_shown(record) for name, record in self._sorted() if not name.startswith(_INTERNAL))

    def internal(self, prefix: str) -> tuple[str, ...]:
        """The product's own names that begin so (`@sign-in/`)."""
        return tuple(name for name, _ in self._sorted() if name.startswith(_INTERNAL) and name.startswith(prefix))

    def stamp(self) -> tuple[int, ...] | None:
        """What is another one once the file was written; None where there is none."""
        try:
            facts = self._state.vault.stat()
        except FileNotFoundError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def unlock(self) -> None:
        """Fetch the key now, where there is a vault. What is asked for later then waits for nobody."""
        with self._guard:
            contents = self._current()
            if contents:
                self._key_of(contents)

    def key_holder(self) -> Holder | None:
        """Who keeps the key; None before the first secret."""
        with self._guard:
            contents = self._current()
            return contents.key.holder if contents else None

    def put(self, name: str, value: str) -> None:
        """Store a value, durably: what was there is gone. Raises VaultError also for a name or value that cannot be."""
        self.put_all({name: value})

    def put_all(self, values: Mapping[str, str]) -> None:
        """The same for several: all of them or none."""
        for name, value in values.items():
            _check(name, value)

        def change(contents: Contents) -> Contents:
            records = dict(contents.records)
            for name, value in values.items():
                records[name] = self._sealed(contents, name, value)
            if len(records) > MOST_SECRETS:
                message = f"the vault holds {MOST_SECRETS} secrets and takes no more"
                raise VaultError("too-large", message, "`reconciler secret list` shows which no server uses")
            return replace(contents, records=records)

        self._change(change, make=True)

    def remove(self, name: str) -> bool:
        """Forget a secret; whether there was one."""
        removed = False

        def change(contents: Contents) -> Contents:
            nonlocal removed
            record = contents.records.get(name)
            if record is None:
                return contents
            removed = True
            others = {other: kept for other, kept in contents.records.items() if other != name}
            return replace(contents, records=others, floor=max(contents.floor, record.version))

        self._change(change)
        return removed

    def rotate(self, holder: Holder | None = None) -> Holder | None:
        """Seal everything under a new key and forget the old one; answers who keeps it, None where nothing is stored.

        With `holder` the key moves there. Wherever this is cut off, the file on the disk and its key fit together.
        """

        def change(contents: Contents) -> Contents:
            values = {name: self._opened(contents, record) for name, record in contents.records.items()}
            place, key = self._keys.make(contents.id, holder or contents.key.holder, contents.key)
            self._key = (place, key)
            records = {
                name: replace(record, sealed=seal_text(values[name], key, _place(contents, record)))
                for name, record in contents.records.items()
            }
            return replace(contents, key=place, records=records, retired=(*contents.retired, contents.key))

        self._change(change)
        return self.key_holder()

    # Reading

    def _sorted(self) -> tuple[tuple[str, Record], ...]:
        with self._guard:
            contents = self._current()
            return tuple(sorted(contents.records.items())) if contents else ()

    def _current(self) -> Contents | None:
        """What the file holds, read again when it is another one."""
        seen = self.stamp()
        if seen is None:
            self._seen = self._contents = None
        elif seen != self._seen:
            self._contents = read_contents(self._state.vault)  # what is written after the look is read at the next
            self._seen = seen
        return self._contents

    def _opened(self, contents: Contents, record: Record) -> str:
        try:
            return open_text(record.sealed, self._key_of(contents), _place(contents, record))
        except ValueError:
            message = f'the secret "{record.name}" in {self._state.vault} was altered'
            hint = f"set it again: `reconciler secret set {record.name}`"
            raise VaultError("vault-damaged", message, hint) from None

    def _key_of(self, contents: Contents) -> bytes:
        if self._key is None or self._key[0] != contents.key:
            self._key = (contents.key, self._keys.fetch(contents.id, contents.key))
        return self._key[1]

    # Writing

    def _change(self, change: Change, *, make: bool = False) -> None:
        """One change at a time, of all processes: the file is read and written whole."""
        with self._guard, self._alone():
            self._seen = None
            before = self._current() or (self._made() if make else None)
            if before is None:
                return
            after = change(before)
            if after is before:
                return
            after = self._without_retired(after, before)
            write_contents(self._state.vault, after)
            self._contents, self._seen = after, self.stamp()
            for place in after.retired:
                self._keys.drop(after.id, place)

    def _made(self) -> Contents:
        vault = secrets.token_hex(8)
        place, key = self._keys.make(vault, self._keys.preferred())
        self._key = (place, key)
        return Contents(vault, place)

    def _without_retired(self, after: Contents, before: Contents) -> Contents:
        """Keys that an earlier rotation left behind are dropped before they are no longer named."""
        left = tuple(place for place in before.retired if not self._keys.drop(after.id, place))
        new = tuple(place for place in after.retired if place not in before.retired)
        return replace(after, retired=(*left, *new))

    def _sealed(self, contents: Contents, name: str, value: str) -> Record:
        old, now = contents.records.get(name), datetime.now(UTC).isoformat(timespec="seconds")
        version = old.version + 1 if old else contents.floor + 1
        record = Record(name, version, old.created if old else now, now, "")
        return replace(record, sealed=seal_text(value, self._key_of(contents), _place(contents, record)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._state.ensure()
        descriptor = os.open(self._state.path / "vault.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _place(contents: Contents, record: Record) -> str:
    """What a record is sealed for: no other vault, name or version can pass it off as its own."""
    return f"{contents.id}/{record.name}/{record.version}"


def _shown(record: Record) -> Secret:
    return Secret(record.name, record.version, record.created, record.updated)


def _check(name: str, value: str) -> None:
    if not SECRET_NAME.fullmatch(name) and not _INTERNAL_NAME.fullmatch(name):
        message = "a secret's name has letters, digits, dots, dashes and underscores, and at most 128 of them"
        raise VaultError("bad-name", message, "it begins with a letter or a digit")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise VaultError("bad-value", f'the value of "{name}" is not text', "encode it, with base64 for one") from None
    if size == 0:
        raise VaultError("bad-value", f'the value of "{name}" is empty', "`reconciler secret remove` forgets one")
    if size > LARGEST_VALUE:
        message = f'the value of "{name}" has more than {LARGEST_VALUE // 1024} KiB'
        raise VaultError("too-large", message, "keep large values in a file and write ${file:PATH}")
