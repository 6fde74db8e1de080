"""Stored secrets under a running engine: whoever was started with an older value, or lacked one, is opened anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from reconciler.engine.environment import Environment
from reconciler.engine.ledger import Ledger
from reconciler.store.vault import Vault, VaultError

LOOK_SECONDS = 0.5
"""How often the vault is looked at: a change made beside the engine holds that much later."""


class StoredSecrets:
    """Sees to it that the servers of one project have what its vault holds.

    `retry` opens a server anew, the new session first; `say` takes a kind, a sentence and a server.
    """

    def __init__(
        self,
        vault: Vault,
        environment: Environment,
        ledger: Ledger,
        retry: Callable[[str], None],
        say: Callable[[str, str, str | None], None],
    ) -> None:
        self._vault = vault
        self._environment = environment
        self._ledger = ledger
        self._retry = retry
        self._say = say
        self._versions: Mapping[str, int] | None = None
        self._late: frozenset[str] = frozenset()
        self._trouble: str | None = None
        self._stamp: tuple[int, ...] | None = (0,)

    async def unlock(self) -> None:
        """Fetch the key: a keyring may take its time over it. What cannot be opened is said of each server."""
        with suppress(VaultError, OSError):
            await asyncio.to_thread(self._vault.unlock)
        self._moved()

    async def follow(self) -> None:
        """Look at the vault again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Take up what changed. A server that is being opened with an older value is looked at again."""
        if not self._moved() and not self._late:
            return
        behind = self._environment.behind(self._ledger.document)
        for server, names in behind.items():
            if server not in self._late:
                self._say("secret", f"opened anew: {_words_for(names)}", server)
            self._retry(server)
        self._late = frozenset(behind)

    def _moved(self) -> bool:
        """Whether there are other secrets, or other versions of them, than at the last look."""
        try:
            stamp = self._vault.stamp()
            if stamp == self._stamp and self._trouble is None:
                return False
            self._stamp = stamp
            versions = {secret.name: secret.version for secret in self._vault.list()}
        except (VaultError, OSError) as error:
            self._tell(str(error))
            return False
        self._trouble = None
        before, self._versions = self._versions, versions
        return before != versions

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._say("secret", f"no stored secret can be read: {trouble}", None)


def _words_for(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"its secret {names[0]} has a new version"
    return f"its secrets {', '.join(names)} have new versions"
