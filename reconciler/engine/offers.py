"""What each server offers now, and under which policy: what the gateway lists and the gate decides by.

Reads the ledger, the serving sessions and the lock; remembers what was listed: a server in backoff stays listed, and
one that is replaced shows what it listed last until the new version lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.engine.ledger import Ledger
from reconciler.engine.locked import Locked, ProjectLock, only_reads
from reconciler.gate.policy import Policy, policy_of
from reconciler.model.pins import definition_digest
from reconciler.model.server import Server
from reconciler.sessions.hub import Hub
from reconciler.sessions.instance import Instance
from reconciler.sessions.listing import Listing
from reconciler.sessions.session import Handshake


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be seen of one enabled server. `live` is false while nothing serves; then it is what was listed last,
    and nothing while the server is paused."""

    server: Server
    handshake: Handshake | None
    listing: Listing
    live: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything derived from one listing of one server, while nothing changed."""

    version: int
    server: Server
    serving: Listing | None
    listed: Listing
    digests: Mapping[str, str]
    policy: Policy
    offer: Offer
    locked: Locked


@dataclass(frozen=True, slots=True)
class _Remembered:
    spec: str
    handshake: Handshake | None
    listing: Listing


class Offers:
    """The offers of a project. `version` grows whenever one of them may have changed."""

    def __init__(self, ledger: Ledger, hub: Hub, hints: Callable[[str], frozenset[str]], lock: ProjectLock) -> None:
        self.version = 0
        self.lock = lock
        self._ledger = ledger
        self._hub = hub
        self._hints = hints
        self._remembered: dict[str, _Remembered] = {}
        self._known: dict[str, _Known] = {}
        self._listeners: list[Callable[[], None]] = []
        self.always: Callable[[str, str, Mapping[str, str]], Mapping[str, str]] = lambda *_: {}
        """Server id, spec and digests of its tools -> the tools that this machine lets through, with who said so."""
        self.paused: Callable[[str], str | None] = lambda _: None
        """Server id -> why nothing reaches it for now, with the way out."""

    def policy(self, server_id: str) -> Policy | None:
        """What the accepted document and the lock say about the server's tools; None for an unknown server."""
        known = self._look(server_id)
        return known.policy if known else None

    def of(self, server_id: str) -> Offer | None:
        """What may be seen of a server; None for one that is unknown or disabled."""
        known = self._look(server_id)
        return known.offer if known and known.server.enabled else None

    def all(self) -> tuple[Offer, ...]:
        """Every enabled server, by id."""
        found = (self.of(server_id) for server_id in sorted(self._ledger.document.servers))
        return tuple(offer for offer in found if offer is not None)

    def locked(self, server_id: str) -> Locked | None:
        """What the lock says of a server; None for an unknown one."""
        known = self._look(server_id)
        return known.locked if known else None

    def listed(self, server_id: str) -> Listing:
        """All that a server listed last, or that is pinned of it: also what may not be seen."""
        known = self._look(server_id)
        return known.listed if known else Listing()

    def handshake(self, server_id: str) -> Handshake | None:
        """What the server said of itself when it was last connected as it is now; None where it never was."""
        live = self._hub.slot(server_id).live
        if live is not None and live.state == "ready":
            return live.session.handshake if live.session else None
        remembered, wanted = self._remembered.get(server_id), self._ledger.server(server_id)
        return remembered.handshake if remembered and wanted and remembered.spec == wanted.spec else None

    def touch(self) -> None:
        """Something may have changed: say so to whoever listens."""
        self.version += 1
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever something may have changed; the answer stops that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _look(self, server_id: str) -> _Known | None:
        wanted = self._ledger.server(server_id)
        if wanted is None:
            self.forget(server_id)
            return None
        live = self._hub.slot(server_id).live
        serves = live is not None and live.state == "ready"
        serving = live.listing if live is not None and serves else None
        known = self._known.get(server_id)
        if known and known.version == self.version and known.server is wanted and known.serving is serving:
            return known
        fresh = self._known[server_id] = self._derive(wanted, live if serves else None, known)
        return fresh

    def forget(self, server_id: str) -> None:
        """The server is gone."""
        self._known.pop(server_id, None)
        self._remembered.pop(server_id, None)

    def _derive(self, server: Server, live: Instance | None, before: _Known | None) -> _Known:
        listing, handshake = self._listed(server, live)
        digests = before.digests if before and before.listed is listing else _digests(listing)
        spec = live.server.spec if live else server.spec
        locked = self.lock.judge(server, spec, listing, handshake)
        hints = locked.read_only
        if hints is None:  # what a server takes back itself is not believed any more
            hints = self._hints(server.id).intersection(tool["name"] for tool in listing.tools if only_reads(tool))
        policy = policy_of(self._ledger.document, server.id, hints)
        policy = replace(policy, tools=digests, blocked=locked.withheld.of("tool"), withheld=locked.withheld)
        policy = replace(policy, remembered=self.always(server.id, spec, digests), paused=self.paused(server.id))
        if handshake is not None and locked.withheld.instructions:
            handshake = replace(handshake, instructions=None)
        visible = Listing() if policy.paused else _visible(locked.listing, policy)
        offer = Offer(server, handshake, visible, live is not None)
        return _Known(self.version, server, live.listing if live else None, listing, digests, policy, offer, locked)

    def _listed(self, server: Server, live: Instance | None) -> tuple[Listing, Handshake | None]:
        if live is not None:
            handshake = live.session.handshake if live.session else None
            self._remembered[server.id] = _Remembered(live.server.spec, handshake, live.listing)
            return live.listing, handshake
        remembered = self._remembered.get(server.id)
        if remembered is None:
            return self.lock.pinned(server) or Listing(), None
        return remembered.listing, remembered.handshake if remembered.spec == server.spec else None


def _digests(listing: Listing) -> Mapping[str, str]:
    return {tool["name"]: definition_digest(tool) for tool in listing.tools}


def _visible(listing: Listing, policy: Policy) -> Listing:
    """Only the tools that the file and the lock let through."""
    if policy.server.allow is None and not policy.server.deny and not policy.blocked:
        return listing
    tools: tuple[Mapping[str, Any], ...] = tuple(
        tool for tool in listing.tools if policy.offers(tool["name"]) and tool["name"] not in policy.blocked
    )
    return replace(listing, tools=tools)
