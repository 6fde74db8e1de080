"""pins x what a server shows -> verdicts: what is accepted, changed, new or gone, and what is withheld for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.model.pins import (
    KEYS,
    Drifted,
    Identity,
    Kind,
    Pin,
    Pins,
    ServerPins,
    State,
    Surface,
    definition_digest,
    one_line,
    pin_of,
    pinned_part,
)
from reconciler.model.server import Lock

Entry: TypeAlias = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One server against the lock. `entries` has a state for everything that is pinned or listed."""

    entries: Mapping[Entry, State] = field(default_factory=dict)
    known: bool = True
    """Whether the lock has the server at all."""
    launch: State = "accepted"
    instructions: State = "accepted"

    @property
    def drift(self) -> tuple[Drifted, ...]:
        """Everything that is not accepted, in one order."""
        return tuple(self._drift())

    def of(self, kind: Kind) -> dict[str, State]:
        """The states of one kind, by name."""
        return {name: state for (each, name), state in self.entries.items() if each == kind}

    def _drift(self) -> Iterator[Drifted]:
        if not self.known:
            yield Drifted("server", "", "new")
        if self.launch != "accepted":
            yield Drifted("launch", "", self.launch)
        if self.instructions != "accepted":
            yield Drifted("instructions", "", self.instructions)
        for (kind, name), state in sorted(self.entries.items()):
            if state != "accepted":
                yield Drifted(kind, name, state)


@dataclass(frozen=True, slots=True)
class Withheld:
    """What an enforced lock keeps back of one server; the default is a lock that keeps back nothing.

    `server` says why nothing of it may be used, `entries` why single listed things may not. `accepted` is then all
    that may be used by name, None where anything may.
    """

    server: str | None = None
    entries: Mapping[Entry, str] = field(default_factory=dict)
    accepted: frozenset[Entry] | None = None
    instructions: bool = False
    """Whether what the server tells the model is kept from it."""

    def of(self, kind: Kind) -> dict[str, str]:
        """Why, by name, for one kind."""
        return {name: why for (each, name), why in self.entries.items() if each == kind}


def mode_of(written: Lock, pins: Pins) -> Lock:
    """What holds: `warn` has nothing to say where no lock file is, `enforce` holds without one too."""
    return "off" if written == "warn" and not pins.exists else written


def compare(pinned: ServerPins | None, surface: Surface) -> Verdicts:
    """Judge everything a server shows and everything pinned of it. None: the lock does not have the server.

    Several definitions of one name are accepted only when each of them is the pinned one.
    """
    known = pinned or ServerPins()
    entries: dict[Entry, State] = {(kind, name): "gone" for kind in KEYS for name in known.of(kind)}
    listed: set[Entry] = set()
    for kind, key in KEYS.items():
        for definition in surface.of(kind):
            entry = (kind, name_of(definition, key))
            state = _judge(known, entry, definition)
            if entry not in listed or state != "accepted":
                entries[entry] = state
            listed.add(entry)
    return Verdicts(
        entries,
        pinned is not None,
        _same(known.launch, surface.launch) if pinned else "accepted",
        _same(known.instructions, surface.instructions),
    )


def name_of(definition: Mapping[str, Any], key: str) -> str:
    """What a definition is known by; "" when it does not say so in text."""
    name = definition.get(key)
    return name if isinstance(name, str) else ""


def _judge(pinned: ServerPins, entry: Entry, definition: Mapping[str, Any]) -> State:
    pin = pinned.of(entry[0]).get(entry[1])
    if pin is None:
        return "new"
    return "accepted" if pin.digest == definition_digest(definition) else "changed"


def _same(pinned: str | None, now: str | None) -> State:
    if pinned == now:
        return "accepted"
    return "new" if pinned is None else "gone" if now is None else "changed"


def withhold(verdicts: Verdicts, server_id: str) -> Withheld:
    """What `enforce` keeps back: everything that is not accepted, all of a server whose launch is not."""
    accept = f"`reconciler lock --update {server_id}` accepts it"
    if not verdicts.known:
        return withhold_all(verdicts, f"the lock does not have this server: {accept}")
    if verdicts.launch != "accepted":
        return withhold_all(verdicts, f"what is launched is not what the lock pins: {accept}")
    way_out = f"`reconciler lock --diff {server_id}` shows it, {accept}"
    why = {
        "changed": f"its definition changed since it was accepted: {way_out}",
        "new": f"the lock does not have it: {way_out}",
    }
    return Withheld(
        None,
        {entry: why[state] for entry, state in verdicts.entries.items() if state in why},
        frozenset(entry for entry, state in verdicts.entries.items() if state == "accepted"),
        verdicts.instructions in ("changed", "new"),
    )


def withhold_all(verdicts: Verdicts, why: str) -> Withheld:
    """Nothing of the server passes."""
    listed = {entry: why for entry, state in verdicts.entries.items() if state != "gone"}
    return Withheld(why, listed, frozenset(), instructions=True)


def pins_from(
    surface: Surface, identity: Identity, holds_secret: Callable[[str], bool] = lambda _: False
) -> tuple[ServerPins, tuple[Entry, ...]]:
    """Everything a server shows, accepted as it is, and what cannot be.

    That is what has no name, what has a name that is taken, what is no JSON, and what repeats a secret that was handed
    to the server: the lock is for everybody's eyes.
    """
    entries: dict[Kind, dict[str, Pin]] = {kind: {} for kind in KEYS}
    left_out: list[Entry] = []
    for kind, key in KEYS.items():
        for definition in surface.of(kind):
            name = name_of(definition, key)
            if name and name not in entries[kind] and _can_be_written(definition, holds_secret):
                entries[kind][name] = pin_of(definition)
            elif entries[kind].get(name) != pin_of(definition):
                left_out.append((kind, name))
    return ServerPins(surface.launch, surface.instructions, identity, entries), tuple(left_out)


def _can_be_written(definition: Mapping[str, Any], holds_secret: Callable[[str], bool]) -> bool:
    try:
        return not holds_secret(one_line(pinned_part(definition)))
    except ValueError:
        return False
