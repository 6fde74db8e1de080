"""What the lock file pins, as values: definitions with their digests, and what a server said of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reconciler.canonical import canonical, digest
from reconciler.model.document import Facts, hidden, masked_fields
from reconciler.problems import Problem

Kind = Literal["tool", "prompt", "resourceTemplate"]
KEYS: Mapping[Kind, str] = {"tool": "name", "prompt": "name", "resourceTemplate": "uriTemplate"}
"""The member by which an entry of each list is known."""


State = Literal["accepted", "changed", "new", "gone"]


@dataclass(frozen=True, slots=True)
class Drifted:
    """One thing that is not as the lock has it; `name` is "" for what a server has only one of.

    A `server` is new when the lock does not have it at all.
    """

    kind: Literal["tool", "prompt", "resourceTemplate", "server", "launch", "instructions"]
    name: str
    state: State


@dataclass(frozen=True, slots=True)
class Pin:
    """One accepted definition: raw, without `_meta`."""

    digest: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the server said of itself when it was pinned, and what was declared to it. Kept for people."""

    protocol: str = ""
    server_info: Mapping[str, Any] | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    """The client capabilities that were declared: what a server lists depends on them."""
    package: str | None = None
    """The exact version that the command runs, where the command says it."""


@dataclass(frozen=True, slots=True)
class ServerPins:
    """One server in the lock. `launch` is None for a server that launches and contacts nothing.

    `instructions` is the digest of what it tells the model, None when it tells nothing.
    """

    launch: str | None = None
    instructions: str | None = None
    identity: Identity = field(default_factory=Identity)
    entries: Mapping[Kind, Mapping[str, Pin]] = field(default_factory=dict)

    def of(self, kind: Kind) -> Mapping[str, Pin]:
        """The pins of one kind, by name (a resource template's is its URI template)."""
        return self.entries.get(kind, {})


@dataclass(frozen=True, slots=True)
class Pins:
    """The lock beside the file; `digest` (of its bytes) is None when there is none.

    A lock with `problems` cannot be used: then `servers` is empty, and that must not be read as "nothing is pinned".
    """

    digest: str | None = None
    servers: Mapping[str, ServerPins] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def exists(self) -> bool:
        return self.digest is not None


@dataclass(frozen=True, slots=True)
class Surface:
    """What a server shows now of what can be pinned: raw definitions in its order; the rest as digests."""

    entries: Mapping[Kind, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    instructions: str | None = None
    launch: str | None = None

    def of(self, kind: Kind) -> Sequence[Mapping[str, Any]]:
        """The definitions of one kind."""
        return self.entries.get(kind, ())


def definition_digest(definition: Mapping[str, Any]) -> str:
    """What a tool, prompt or resource template is pinned by: the digest of its raw definition without `_meta`.

    One with numbers that no double holds has no canonical JSON; there the digits count as they came.
    """
    pinned = pinned_part(definition)
    try:
        return digest(pinned)
    except ValueError:
        return digest(json.dumps(pinned, sort_keys=True, ensure_ascii=False))


def one_line(value: Any) -> str:
    """A JSON value on one line: definitions with equal digests have equal lines. ValueError when it is no JSON."""
    try:
        return canonical(value)
    except ValueError:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def pinned_part(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition without what may change freely."""
    return {key: value for key, value in definition.items() if key != "_meta"}


def pin_of(definition: Mapping[str, Any]) -> Pin:
    """The pin of a definition as it was listed."""
    return Pin(definition_digest(definition), pinned_part(definition))


def text_pin(text: str | None) -> str | None:
    """What instructions are pinned by."""
    return digest(text) if text else None


def launch_pin(launch: Facts) -> str | None:
    """What a launch (`Document.launch`) is pinned by: the same on every machine, so literal secrets do not count."""
    return digest(masked_fields(launch, hidden)) if launch else None
