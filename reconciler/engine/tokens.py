"""Who comes in with which token: the file of tokens in memory, read again when it changed, and who was sent away."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from reconciler.gate.gate import Principal
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import Token, TokensDamaged, ensure_tokens, read_tokens

LOOK_SECONDS = 0.5
"""How often the file is looked at: a change made beside the engine holds that much later."""

Revoked: TypeAlias = Callable[[Sequence[Principal]], None]


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    principal: Principal
    until: datetime | None


def _now() -> datetime:
    return datetime.now(UTC)


class Tokens:
    """The tokens of one project. The same token is always the same Principal object, until it is revoked."""

    def __init__(self, state: StateDir, say: Callable[[str, str], None], now: Callable[[], datetime] = _now) -> None:
        self._state = state
        self._say = say
        self._now = now
        self._known: dict[bytes, _Known] = {}
        self._first_end: datetime | None = None
        self._shown: dict[bytes, Principal] = {}
        self._listeners: set[Revoked] = set()
        self._seen: tuple[int, ...] | None = None

    def start(self) -> None:
        """Make the first two tokens where there are none, and read. Raises OSError."""
        ensure_tokens(self._state)
        self.look()

    def check(self, bearer: bytes) -> Principal | None:
        """Whose token this is. Found by its digest, and compared in constant time.

        A good one is known again by its text: how long that look-up takes says nothing of a wrong one, because Python
        hashes bytes with a key of this process.
        """
        known = self._shown.get(bearer)
        if known is not None:
            return known
        digest = hashlib.sha256(bearer).digest()
        found = self._known.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        if found.until is not None:
            return found.principal if self._now() < found.until else None
        self._shown[bearer] = found.principal
        return found.principal

    def until(self, bearer: bytes) -> datetime | None:
        """When a token ends to hold; None for one that does not end by itself."""
        found = self._known.get(hashlib.sha256(bearer).digest())
        return found.until if found is not None else None

    def look(self) -> None:
        """Read the file again if it is another one, or if the time of a token is over. What cannot be read lets nobody
        in."""
        seen = self._facts()
        if seen == self._seen and (self._first_end is None or self._now() < self._first_end):
            return
        self._seen = seen
        self._take(self._read())

    async def follow(self) -> None:
        """Look at the file again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def end(self) -> None:
        """Take all of them back: the project is hosted no more."""
        self._take(())

    def listen(self, revoked: Revoked) -> Callable[[], None]:
        """`revoked` is called with the principals whose tokens were just taken back; the answer stops it."""
        self._listeners.add(revoked)
        return lambda: self._listeners.discard(revoked)

    def _facts(self) -> tuple[int, ...] | None:
        with suppress(OSError):
            facts = self._state.tokens.stat()
            return facts.st_ino, facts.st_mtime_ns, facts.st_size
        return None

    def _read(self) -> Sequence[Token]:
        try:
            return read_tokens(self._state)
        except (TokensDamaged, OSError) as error:
            self._say("tokens", f"no token is valid: {error}; delete the file, and the next start makes new tokens")
            return ()

    def _take(self, tokens: Sequence[Token]) -> None:
        before, now = self._known, self._now()
        self._known, self._shown = {}, {}
        for token in tokens:
            if token.holds(now):
                known = _known(token)
                same = before.get(known.digest)
                self._known[known.digest] = same if same == known else known
        self._first_end = min((known.until for known in self._known.values() if known.until is not None), default=None)
        kept = {id(known.principal) for known in self._known.values()}
        gone = [known.principal for known in before.values() if id(known.principal) not in kept]
        if gone:
            for listener in tuple(self._listeners):
                listener(gone)


def _known(token: Token) -> _Known:
    return _Known(bytes.fromhex(token.sha256), Principal(token.name, token.role), token.until)
