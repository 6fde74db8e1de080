"""What the API answers about sealed files, as `answers` has the rest."""

from __future__ import annotations

from typing import Any, TypedDict

from reconciler.client.answers import Applied, Pending, Renamed


class Remark(TypedDict):
    """What has no place in the other format; `field` is None for all of a server."""

    name: str
    field: str | None
    text: str


class Sealed(TypedDict):
    """A sealed file, as text. `missing` are secrets that nobody stored."""

    file: str
    servers: list[str]
    missing: list[str]
    leftOut: list[Remark]


class Row(TypedDict):
    """One server that comes: what it does, what it needs of a person, and whether it comes switched off."""

    id: str
    was: str
    name: str
    does: str
    about: list[str]
    needs: list[str]
    off: bool


class Opened(TypedDict):
    """What came out of a sealed file. Of a dry run `plan` is what it would cause."""

    dryRun: bool
    ready: list[Row]
    needsYou: list[Row]
    commands: list[Row]
    renamed: list[Renamed]
    unchanged: list[str]
    secrets: list[str]
    renamedSecrets: dict[str, str]
    remarks: list[Remark]
    ignored: list[str]
    plan: dict[str, Any] | None
    applied: Applied | None
    pending: list[Pending]
