"""The surfaces of every project, kept while nothing changed; and who is told when what a scope shows has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakKeyDictionary

from reconciler.engine.project import Project
from reconciler.faces.gateway.scope import NotHere, Scope, offers_in
from reconciler.faces.gateway.share import KINDS, Kind, Share
from reconciler.faces.gateway.surface import Surface
from reconciler.sessions.listing import Listing

Changed: TypeAlias = Callable[[frozenset[str]], None]
"""Called with the kinds of lists that a client sees differently now."""
LOOK_SECONDS = 0.05
"""While changes rain, listeners look this often; the first look comes at once."""
_NOTHING: Mapping[Kind, str] = dict.fromkeys(KINDS, "")


@dataclass(slots=True, eq=False)
class _Listener:
    scope: Scope
    changed: Changed
    seen: Mapping[Kind, str]


@dataclass(slots=True)
class _Shelf:
    """What is kept of one project. Surfaces hold for one version of its offers, shares for longer."""

    version: int = -1
    surfaces: dict[tuple[str | None, str | None], Surface] = field(default_factory=dict)
    shares: dict[tuple[str, bool], Share] = field(default_factory=dict)
    listeners: list[_Listener] = field(default_factory=list)
    stop: Callable[[], None] | None = None
    """Ends listening to the project's offers; None while nobody listens here."""
    looking: bool = False
    rest_until: float = 0.0


class Surfaces:
    """What every endpoint of this process shows."""

    def __init__(self) -> None:
        self._shelves: WeakKeyDictionary[Project, _Shelf] = WeakKeyDictionary()

    def of(self, scope: Scope) -> Surface:
        """What the scope shows now. Raises NotHere for an unknown or disabled group or server."""
        shelf = self._shelf(scope.project)
        if shelf.version != scope.project.offers.version:
            shelf.version = scope.project.offers.version
            shelf.surfaces.clear()
        key = (scope.group, scope.server)
        surface = shelf.surfaces.get(key)
        if surface is None:
            surface = shelf.surfaces[key] = _make(scope, shelf.shares)
        return surface

    def listen(self, scope: Scope, changed: Changed) -> Callable[[], None]:
        """Call `changed` when what the scope shows is another, at most once per turn of the loop, never within
        this call. The answer stops it. A scope that is no longer there shows nothing.
        """
        shelf = self._shelf(scope.project)
        listener = _Listener(scope, changed, self._fingerprints(scope))
        shelf.listeners.append(listener)
        if shelf.stop is None:
            shelf.stop = scope.project.offers.listen(lambda: self._look_soon(shelf))

        def stop() -> None:
            with suppress(ValueError):
                shelf.listeners.remove(listener)
            if not shelf.listeners and shelf.stop is not None:
                shelf.stop()
                shelf.stop = None

        return stop

    def forget(self, project: Project) -> None:
        """Keep nothing of a project any more."""
        shelf = self._shelves.pop(project, None)
        if shelf is not None and shelf.stop is not None:
            shelf.stop()

    def _shelf(self, project: Project) -> _Shelf:
        shelf = self._shelves.get(project)
        if shelf is None:
            shelf = self._shelves[project] = _Shelf()
        return shelf

    def _look_soon(self, shelf: _Shelf) -> None:
        if shelf.looking:
            return
        shelf.looking = True
        loop = asyncio.get_running_loop()
        if loop.time() < shelf.rest_until:
            loop.call_at(shelf.rest_until, self._look, shelf)
        else:
            loop.call_soon(self._look, shelf)

    def _look(self, shelf: _Shelf) -> None:
        shelf.looking = False
        shelf.rest_until = asyncio.get_running_loop().time() + LOOK_SECONDS
        for listener in tuple(shelf.listeners):
            now = self._fingerprints(listener.scope)
            if now is listener.seen:
                continue
            kinds = frozenset(kind for kind in KINDS if now[kind] != listener.seen[kind])
            listener.seen = now
            if kinds and listener in shelf.listeners:
                listener.changed(kinds)

    def _fingerprints(self, scope: Scope) -> Mapping[Kind, str]:
        try:
            return self.of(scope).fingerprints
        except NotHere:
            return _NOTHING


def _make(scope: Scope, kept: dict[tuple[str, bool], Share]) -> Surface:
    """A surface of the shares that are still right and of new ones for what was listed anew."""
    offers = offers_in(scope)
    renamed = scope.server is None
    shares = [_share(offer.server.id, offer.listing, kept, renamed=renamed) for offer in offers]
    asks = any(share.asks(scope.project.offers.policy(share.server_id)) for share in shares)
    return Surface(scope, offers, shares, asks=asks)


def _share(server_id: str, listing: Listing, kept: dict[tuple[str, bool], Share], *, renamed: bool) -> Share:
    share = kept.get((server_id, renamed))
    if share is None or not share.holds(listing):
        share = kept[server_id, renamed] = Share(server_id, listing, renamed=renamed)
    return share
