"""Signing in to servers: whose credential a session shows, and the sign-ins that wait for a person.

Loads neither the SDK nor an HTTP library: what needs them is behind `door`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reconciler.model.server import Remote, Server
from reconciler.sessions.credential import Credential, SignInRefused
from reconciler.sessions.machine import Machines
from reconciler.sessions.session import Resolve

CALLBACK = "/oauth/mcp/callback"


class Vault(Protocol):
    """Where tokens are kept (store.vault)."""

    def get(self, name: str) -> str | None: ...

    def put(self, name: str, value: str) -> None: ...

    def remove(self, name: str) -> bool: ...


class SignIns:
    """The sign-ins of one project, by server id.

    `public_url` is where the engine listens, None while it does not; `look_again` is called with the id of a server
    when a sign-in is over, whatever came of it.
    """

    def __init__(
        self, vault: Callable[[], Vault], public_url: Callable[[], str | None], look_again: Callable[[str], None]
    ) -> None:
        self._vault = vault
        self._public_url = public_url
        self._look_again = look_again
        self._machines = Machines()

    def auth(self, server: Server, resolve: Resolve) -> Credential | None:
        """What a session with the server shows; None where nothing is configured. Raises SessionError."""
        machine = self._machines.auth(server, resolve)
        if machine is not None:
            return machine
        if not isinstance(server.transport, Remote) or not server.transport.oauth:
            return None
        return None

    def auth_url(self, server_id: str) -> str | None:
        """Where a person signs in to this server, while one has to."""
        return None

    def knows(self, state: str) -> bool:
        """Whether a sign-in of ours waits under this state."""
        return False

    async def begin(self, server_id: str) -> str:
        """The URL at which a person signs in from now on. Raises SignInRefused, SessionError."""
        raise SignInRefused(f'"{server_id}" signs in with nobody')

    async def finish(self, state: str, code: str | None, iss: str | None, error: str | None) -> str:
        """What the authorization server sent the browser back with; the id of the server that is signed in now.

        Raises SignInRefused; a state holds once.
        """
        raise SignInRefused("no sign-in waits under this state: it was used before, or is older than 10 minutes")

    async def forget(self, server_id: str) -> None:
        """Remove every token of the server; who uses it next has to sign in."""

    async def close(self) -> None:
        """End what waits."""
