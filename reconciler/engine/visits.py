"""Who uses the page: links that let in once, and the visits that begin with one. Kept in memory: the engine's end is
theirs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.gate.principal import Principal
from reconciler.store.files import text_digest

LINK_SECONDS = 600.0
IDLE_SECONDS = 12 * 3600.0
"""A visit ends when nothing was asked in it for so long."""
MOST = 64
"""Links, and visits, that there are at a time; the oldest goes when one more comes."""


@dataclass(slots=True)
class Visit:
    """One browser that was let in. `form_token` is in every form that it is given; `kept` is what pages keep for it."""

    principal: Principal
    form_token: str
    key: str
    seen: float
    kept: dict[str, Any] = field(default_factory=dict)


class Visits:
    """The links and visits of one engine. What lets somebody in is kept as a digest only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._links: dict[str, tuple[Principal, float]] = {}
        self._visits: dict[str, Visit] = {}

    def link(self, principal: Principal) -> str:
        """A word that lets in once, within LINK_SECONDS. What is done then is done by `principal`."""
        word = secrets.token_urlsafe(32)
        self._links[_key(word)] = (principal, self._clock() + LINK_SECONDS)
        _keep_newest(self._links)
        return word

    def enter(self, word: str) -> str | None:
        """The cookie of a new visit; None where the word lets nobody in, or did so before."""
        principal, end = self._links.pop(_key(word), (None, 0.0))
        if principal is None or self._clock() > end:
            return None
        cookie = secrets.token_urlsafe(32)
        key = _key(cookie)
        self._visits[key] = Visit(principal, secrets.token_urlsafe(32), key, self._clock())
        _keep_newest(self._visits)
        return cookie

    def of(self, cookie: str) -> Visit | None:
        """The visit that a cookie belongs to, while it lasts."""
        visit = self._visits.get(_key(cookie))
        if visit is None or not self.holds(visit):
            return None
        visit.seen = self._clock()
        return visit

    def holds(self, visit: Visit) -> bool:
        """Whether a visit has not ended. To look at what changes by itself is not to ask."""
        if self._clock() - visit.seen > IDLE_SECONDS:
            self.leave(visit)
        return self._visits.get(visit.key) is visit

    def leave(self, visit: Visit) -> None:
        """End a visit."""
        self._visits.pop(visit.key, None)


def _key(word: str) -> str:
    return text_digest(word.encode("utf-8", "replace"))


def _keep_newest(found: dict[str, Any]) -> None:
    while len(found) > MOST:
        del found[next(iter(found))]
