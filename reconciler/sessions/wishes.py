"""What clients wish of a server beside answers, and the care that its session does it. Level-triggered.

Nobody counts subscriptions here: whoever wishes says the whole set, as often as it changes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.sessions.session import RpcError, Session, SessionError

UPDATED = "notifications/resources/updated"
AGAIN_SECONDS = 10.0
"""Until something is tried again that a server did not take in time."""
FIRST_PAUSE, LONGEST_PAUSE, STABLE = 1.0, 60.0, 60.0
"""Seconds until a stream that ended is opened again, and how long one must stand to start over with the first."""
_REFUSED = frozenset({-32600, -32601, -32602})


@dataclass(frozen=True, slots=True)
class Wishes:
    """`resources` are URIs whose updates somebody wants to hear of; `log_level` None leaves it to the server."""

    resources: frozenset[str] = frozenset()
    log_level: str | None = None


NONE = Wishes()


class Granter:
    """Sees to the wishes on one session, in the way of its era. `updated` hears of URIs whose updates were missed."""

    def __init__(self, session: Session, updated: Callable[[str], None], timeout: float) -> None:
        self._session = session
        self._updated = updated
        self._timeout = timeout
        self._wishes = NONE
        self._changed = asyncio.Event()
        self._subscribed: set[str] = set()
        self._refused: set[str] = set()
        self._level: str | None = None

    def wish(self, wishes: Wishes) -> None:
        """All that is wished from now on."""
        if wishes != self._wishes:
            self._wishes = wishes
            self._changed.set()

    def missed(self) -> None:
        """Notifications may have been lost."""
        for uri in sorted(self._wishes.resources):
            self._updated(uri)

    async def run(self) -> None:
        """Until cancelled. What a server refuses is not asked of it again while it is wished."""
        if self._session.handshake.era == "stateless":
            await self._keep_listening()
        else:
            await self._keep_subscribing()

    def _declares(self, capability: str, member: str | None = None) -> bool:
        declared = self._session.handshake.capabilities.get(capability)
        return isinstance(declared, Mapping) and (member is None or declared.get(member) is True)

    # The handshake era: one request for each difference

    async def _keep_subscribing(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._meet()
                await self._changed.wait()
            except SessionError:  # late, or not to be asked for a while; that it is over others see
                await asyncio.sleep(AGAIN_SECONDS)

    async def _meet(self) -> None:
        level, resources = self._wishes.log_level, self._wishes.resources
        if level is not None and level != self._level and self._declares("logging"):
            await self._ask("logging/setLevel", {"level": level})
            self._level = level
        self._refused &= resources
        for uri in sorted(self._subscribed - resources):
            await self._ask("resources/unsubscribe", {"uri": uri})
            self._subscribed.discard(uri)
        if self._declares("resources", "subscribe"):
            for uri in sorted(resources - self._subscribed - self._refused):
                taken = await self._ask("resources/subscribe", {"uri": uri})
                (self._subscribed if taken else self._refused).add(uri)

    async def _ask(self, method: str, params: dict[str, Any]) -> bool:
        """Whether the server took it."""
        try:
            await self._session.request(method, params, timeout=self._timeout)
        except RpcError:
            return False
        return True

    # The stateless era: one stream with all of them; a new one stands before the old one goes

    async def _keep_listening(self) -> None:
        stream: asyncio.Task[None] | None = None
        uris: frozenset[str] = frozenset()
        try:
            while True:
                self._changed.clear()
                wanted = self._wishes.resources if self._declares("resources", "subscribe") else frozenset()
                if wanted != uris:
                    old, uris = stream, wanted
                    stream = asyncio.create_task(self._listen(uris)) if uris else None
                    await asyncio.sleep(0)  # the new request is on its way
                    if old is not None:
                        old.cancel()
                await self._changed.wait()
        finally:
            if stream is not None:
                stream.cancel()
                await asyncio.gather(stream, return_exceptions=True)

    async def _listen(self, uris: frozenset[str]) -> None:
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                wanted = {"notifications": {"resourceSubscriptions": sorted(uris)}}
                await self._session.request("subscriptions/listen", wanted, timeout=math.inf)
            except RpcError as error:
                if error.code in _REFUSED:
                    return
            except SessionError:
                pass
            pause = FIRST_PAUSE if loop.time() - began > STABLE else pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            for uri in sorted(uris):  # nothing is replayed
                self._updated(uri)
