"""The lock of a project as it is on the disk now, and what it says of what each server lists.

Reads the lock file whenever it changed, the ledger, and listings. Writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler.engine.ledger import Ledger
from reconciler.engine.watch import Signature, is_fresh, signature
from reconciler.model.document import launch_behind
from reconciler.model.pins import KEYS, Kind, Pins, ServerPins, Surface, launch_pin, text_pin
from reconciler.model.server import Lock, Mock, Server
from reconciler.plan.lock import Verdicts, Withheld, compare, mode_of, name_of, withhold, withhold_all
from reconciler.plan.render.lock import drift_text
from reconciler.sessions.listing import Listing
from reconciler.sessions.session import Handshake
from reconciler.store.lock_file import read_lock
from reconciler.store.places import Sources

TICK: Final = 1.0
"""Seconds between two looks at the file; a look is one `stat`."""
UNKNOWN: Final = "unknown"
"""The launch of a session that nobody accepted (any more): no pin is equal to it."""
_NEVER: Signature = (0, -1, 0, 0, 0, "")
"""No file looks like this."""
Say = Callable[[str, str, str | None], None]
"""Takes the kind of an event, a sentence, and the server it is about."""


@dataclass(frozen=True, slots=True)
class Locked:
    """What the lock says of a listing: what may be seen of it, why the rest is withheld, and what differs.

    `read_only` are the tools whose readOnlyHint a person accepted, None where the lock does not know the server.
    `verdicts` are None where nothing can be compared: the lock is off, not there, or cannot be used.
    """

    listing: Listing
    withheld: Withheld = field(default_factory=Withheld)
    read_only: frozenset[str] | None = None
    verdicts: Verdicts | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict and everything it stands on."""

    pins: Pins
    mode: Lock
    listing: Listing
    instructions: str | None
    launch: str | None
    locked: Locked


class ProjectLock:
    """The pins that hold. What changes in them bumps `version`; who asks gets verdicts on what was listed last."""

    def __init__(self, sources: Sources, ledger: Ledger, say: Say) -> None:
        self.pins = Pins()
        self.version = 0
        self._sources = sources
        self._ledger = ledger
        self._say = say
        self._seen: Signature = _NEVER
        self._first = True
        self._judged: dict[str, _Judged] = {}
        self._told: dict[str, str] = {}

    # The file

    def look(self) -> bool:
        """Read the file if it changed; whether that changed what is pinned. Costs one `stat` otherwise."""
        now = signature(self._sources.lock)
        return now != self._seen and self._take(self._read(), now)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look every second, for ever.

        What cannot be used, or is gone, is believed at the second look: git replaces a file by removing it first, and
        an editor may write it piece by piece.
        """
        doubted: object = None
        while True:
            await asyncio.sleep(TICK)
            now = signature(self._sources.lock)
            if now == self._seen:
                continue
            pins = await asyncio.to_thread(self._read)
            if (pins.problems or not pins.exists) and doubted != (now,):
                doubted = (now,)
            elif self._take(pins, now):
                changed()

    def _read(self) -> Pins:
        return read_lock(self._sources.lock, self._sources.shown(self._sources.lock))

    def _take(self, pins: Pins, now: Signature) -> bool:
        """`now` is what the file looked like before it was read."""
        self._seen = _NEVER if now and is_fresh(now) else now
        begins, self._first = self._first, False
        if (pins.digest, pins.problems) == (self.pins.digest, self.pins.problems):
            return False
        self.pins = pins
        self.version += 1
        if pins.problems:
            first = pins.problems[0]
            at = f"{first.place}: " if first.place else ""
            self._say("lock", f"the lock file cannot be used: {at}{first.detail}", None)
        elif not begins:
            count = len(pins.servers)
            held = f"it has {count} server{'' if count == 1 else 's'}" if pins.exists else "it is gone"
            self._say("lock", f"the lock file changed: {held}", None)
        return True

    # Verdicts

    def mode(self, server: Server) -> Lock:
        """What the lock means for a server."""
        return mode_of(server.lock, self.pins)

    def judge(self, server: Server, spec: str, listing: Listing, handshake: Handshake | None) -> Locked:
        """Compare what a server lists with what is pinned."""
        mode = self.mode(server)
        if mode == "off":
            return Locked(listing)
        launch = self._launch(server.id, spec)
        says = handshake is not None and not isinstance(server.transport, Mock)
        instructions = text_pin(handshake.instructions) if handshake and says else self._pinned_instructions(server.id)
        known = self._judged.get(server.id)
        if (
            known is not None
            and known.listing is listing
            and known.pins is self.pins
            and (known.mode, known.instructions, known.launch) == (mode, instructions, launch)
        ):
            return known.locked
        locked = self._compare(server, mode, listing, surface_of(listing, instructions, launch))
        self._judged[server.id] = _Judged(self.pins, mode, listing, instructions, launch, locked)
        return locked

    def pinned(self, server: Server) -> Listing | None:
        """What the lock has of a server that was not listed yet, where it launches what is pinned."""
        pins = self.pins.servers.get(server.id)
        if pins is None or self.mode(server) == "off" or pins.launch != self._launch(server.id, server.spec):
            return None
        return listing_of(pins)

    def tell(self, server_id: str, locked: Locked | None) -> None:
        """Say once what of a server is not as the lock has it, and once that it is so again."""
        verdicts = locked.verdicts if locked else None
        now = drift_text(verdicts.drift) if verdicts else ""
        if now == self._told.get(server_id, ""):
            return
        self._told[server_id] = now
        if now:
            kept = "withheld until accepted" if locked and locked.withheld.accepted is not None else "a warning only"
            self._say("lock", f"not as the lock has it: {now}; {kept}: `reconciler lock --diff {server_id}`", server_id)
        else:
            self._say("lock", "as the lock has it again", server_id)

    def forget(self, server_id: str) -> None:
        """The server is gone."""
        self._judged.pop(server_id, None)
        self._told.pop(server_id, None)

    def _compare(self, server: Server, mode: Lock, listing: Listing, surface: Surface) -> Locked:
        if self.pins.problems:
            why = f"the lock file cannot be used ({self.pins.problems[0].detail}): mend it first"
            withheld = withhold_all(compare(None, surface), why) if mode == "enforce" else Withheld()
            return Locked(_filtered(listing, withheld), withheld)
        verdicts = compare(self.pins.servers.get(server.id), surface)
        withheld = withhold(verdicts, server.id) if mode == "enforce" else Withheld()
        return Locked(_filtered(listing, withheld), withheld, self._read_only(server.id, verdicts), verdicts)

    def _read_only(self, server_id: str, verdicts: Verdicts) -> frozenset[str] | None:
        """The accepted tools that say so; nothing where the launch is another."""
        if not verdicts.known:
            return None
        if verdicts.launch != "accepted":
            return frozenset()
        pins = self.pins.servers[server_id].of("tool")
        states = verdicts.of("tool")
        return frozenset(n for n, pin in pins.items() if states[n] == "accepted" and only_reads(pin.definition))

    def _pinned_instructions(self, server_id: str) -> str | None:
        """What is known of the instructions of a server that has not said them yet, or is a mock."""
        pins = self.pins.servers.get(server_id)
        return pins.instructions if pins else None

    def _launch(self, server_id: str, spec: str) -> str | None:
        """What the session with this spec launched: what is accepted, or what got ready last and still serves."""
        document = self._ledger.document
        if spec == document.spec_digest(server_id):
            return launch_pin(document.pinned_launch(server_id))
        ready = self._ledger.ready(server_id)
        if ready is not None and ready.spec == spec:
            return launch_pin(launch_behind(dict(self._ledger.accepted.ready[server_id])))
        return UNKNOWN


def surface_of(listing: Listing, instructions: str | None, launch: str | None) -> Surface:
    """What can be pinned of a listing."""
    entries: dict[Kind, tuple[Mapping[str, Any], ...]] = {
        "tool": listing.tools,
        "prompt": listing.prompts,
        "resourceTemplate": listing.resource_templates,
    }
    return Surface(entries, instructions, launch)


def listing_of(pins: ServerPins) -> Listing:
    """What a server listed when it was pinned, by name; its resources are not known."""
    tools, prompts, templates = (
        tuple(pin.definition for pin in pins.of(kind).values()) for kind in ("tool", "prompt", "resourceTemplate")
    )
    return Listing(tools=tools, prompts=prompts, resource_templates=templates)


def _filtered(listing: Listing, withheld: Withheld) -> Listing:
    """What may be seen."""
    if withheld.accepted is None:
        return listing
    if withheld.server is not None:
        return Listing(withheld=listing.withheld, notes=listing.notes, truncated=listing.truncated)
    accepted = withheld.accepted

    def kept(kind: Kind, entries: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        return tuple(entry for entry in entries if (kind, name_of(entry, KEYS[kind])) in accepted)

    return replace(
        listing,
        tools=kept("tool", listing.tools),
        prompts=kept("prompt", listing.prompts),
        resource_templates=kept("resourceTemplate", listing.resource_templates),
    )


def only_reads(definition: Mapping[str, Any]) -> bool:
    """Whether a tool says so: nothing but `true` says it."""
    annotations = definition.get("annotations")
    return isinstance(annotations, Mapping) and annotations.get("readOnlyHint") is True
