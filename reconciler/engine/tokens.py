"""Who comes in with which token: the file of tokens in memory, read again when it changed, and who was sent away."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from reconciler.gate.gate import Principal
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import Token, TokensDamaged, ensure_tokens, read_tokens

LOOK_SECONDS = 0.5
"""How often the file is looked at: a change made beside the engine holds that much later."""

Revoked: TypeAlias = Callable[[Sequence[Principal]], None]


class Tokens:
    """The tokens of one project. The same token is always the same Principal object, until it is revoked."""

    def __init__(self, state: StateDir, say: Callable[[str, str], None]) -> None:
        self._state = state
        self._say = say
        self._principals: dict[bytes, tuple[bytes, Principal]] = {}
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
        found = self._principals.get(digest)
        if found is None or not hmac.compare_digest(found[0], digest):
            return None
        self._shown[bearer] = found[1]
        return found[1]

    def look(self) -> None:
        """Read the file again if it is another one. What cannot be read lets nobody in."""
        seen = self._facts()
        if seen == self._seen:
            return
        self._seen = seen
        self._take(self._read())

    async def follow(self) -> None:
        """Look at the file again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

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
        before = self._principals
        self._principals, self._shown = {}, {}
        for token in tokens:
            digest = bytes.fromhex(token.sha256)
            principal = Principal(token.name, token.role)
            known = before.get(digest)
            self._principals[digest] = known if known and known[1] == principal else (digest, principal)
        kept = {id(principal) for _, principal in self._principals.values()}
        gone = [principal for _, principal in before.values() if id(principal) not in kept]
        if gone:
            for listener in tuple(self._listeners):
                listener(gone)
