"""What the API answers about the lock, as `answers` has the rest."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from reconciler.client.answers import Problem


class LockFile(TypedDict):
    """The lock beside the file."""

    file: str
    exists: bool
    digest: str | None
    problems: list[Problem]


class Change(TypedDict):
    """One member of a definition that differs; `path` is a JSON pointer."""

    path: str
    state: Literal["changed", "new", "gone"]
    before: Any
    after: Any


class Difference(TypedDict):
    """One thing that is not as the lock has it. `hidden` counts characters in it that nobody sees."""

    kind: str
    name: str | None
    state: Literal["accepted", "changed", "new", "gone"]
    changes: list[Change]
    hidden: dict[str, int]


class Unpinnable(TypedDict):
    """What cannot be pinned, because it repeats a secret."""

    kind: str
    name: str


class Standing(TypedDict):
    """One server against the lock. `offered` is the digest of what would be pinned now."""

    id: str
    mode: Literal["off", "warn", "enforce"]
    standing: Literal["accepted", "drift", "off", "disabled", "not-live", "left-over"]
    why: str | None
    offered: str | None
    drift: list[Difference]
    unpinnable: list[Unpinnable]


class Lock(TypedDict):
    """The lock, and every server against it."""

    lock: LockFile
    servers: list[Standing]


class Accepted(TypedDict):
    """What was written into the lock. `kept` could not be looked at; `unpinned` of them have no pins."""

    file: str
    written: bool
    accepted: list[str]
    removed: list[str]
    kept: dict[str, str]
    unpinned: list[str]
