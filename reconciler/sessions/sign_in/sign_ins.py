"""Signing in to servers: whose credential a session shows, and the sign-ins that wait for a person.

Loads neither the SDK nor an HTTP library: what needs them is behind `door`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from reconciler.model.server import Remote, Server
from reconciler.sessions.session import Resolve, SessionError
from reconciler.sessions.sign_in.account import Account, Around
from reconciler.sessions.sign_in.credential import Credential, SignInRefused
from reconciler.sessions.sign_in.grants import CameBack, Site, site_of
from reconciler.sessions.sign_in.machine import Machines
from reconciler.sessions.sign_in.pending import PendingSignIn
from reconciler.sessions.sign_in.shelf import forget_records
from reconciler.store.vault import Vault, VaultError

CALLBACK = "/oauth/mcp/callback"
WITHOUT_LISTENER = "http://127.0.0.1:7717"
"""Where a browser is sent when the engine listens nowhere: the page is not found, and its address is pasted."""
UNKNOWN = "No sign-in waits here: the link was used before, or is older than 10 minutes."


class SignIns:
    """The sign-ins of one project, by server id.

    `public_url` is where the engine listens, None while it does not; `ended` is called with the id of a server when
    somebody came back from signing in, whatever came of it, and with True when a sign-in was forgotten.
    """

    def __init__(self, vault: Vault, public_url: Callable[[], str | None], ended: Callable[[str, bool], None]) -> None:
        self._vault = vault
        self._public_url = public_url
        self._ended = ended
        self._machines = Machines()
        self._around = Around(vault, self._redirect, self._new_page)
        self._accounts: dict[str, Account] = {}
        """The last one that a session of the server was opened with."""
        self._others: WeakValueDictionary[Site, Account] = WeakValueDictionary()
        """Those that sessions still use, too."""
        self._waiting: dict[str, PendingSignIn] = {}
        """By state."""
        self._outcomes: dict[str, str | None] = {}

    def auth(self, server: Server, resolve: Resolve) -> Credential | None:
        """What a session with the server shows; None where nothing is configured. Raises SessionError."""
        machine = self._machines.auth(server, resolve)
        if machine is not None:
            return machine
        transport = server.transport
        if not isinstance(transport, Remote) or not transport.oauth:
            self._accounts.pop(server.id, None)
            for account in self._of(server.id):
                account.give_up()
            return None
        site = site_of(server, transport, resolve)
        account = self._others.get(site) or Account(site, self._around)
        self._others[site] = account
        self._accounts[server.id] = account
        return account

    def at_hand(self, server: Server, resolve: Resolve) -> Credential | None:
        """The sign-in that holds for exactly this site now, for a session that is only tried; None where there is none.

        Nothing waits for a person because of it. Raises SessionError.
        """
        transport = server.transport
        if not isinstance(transport, Remote) or not transport.oauth:
            return None
        account = self._others.get(site_of(server, transport, resolve))
        return account if account is not None and account.url is None else None

    def auth_url(self, server_id: str) -> str | None:
        """Where a person signs in to this server, while one has to."""
        account = self._accounts.get(server_id)
        return account.url if account else None

    def knows(self, state: str) -> bool:
        """Whether a sign-in of ours waits under this state."""
        return state in self._waiting

    @property
    def listens(self) -> bool:
        """Whether a browser finds its way back to us."""
        return self._public_url() is not None

    async def begin(self, server_id: str) -> str:
        """The URL at which a person signs in from now on. Raises SignInRefused, SessionError."""
        account = self._accounts.get(server_id)
        if account is None and self._machines.knows(server_id):
            raise SignInRefused(f'"{server_id}" signs in by itself, with the credentials in the file.')
        if account is None:
            hint = "write `oauth: true` for a remote server, and enable it"
            raise SignInRefused(f'Nobody signs in to "{server_id}": {hint}.')
        self._outcomes.pop(server_id, None)
        return await account.page(account.asked)

    async def finish(self, state: str, code: str | None, iss: str | None, error: str | None) -> str:
        """What the authorization server sent the browser back with; the id of the server that is signed in now.

        Raises SignInRefused; a state holds once.
        """
        pending = self._waiting.pop(state, None)
        if pending is None or not pending.waits:
            raise SignInRefused(UNKNOWN)
        try:
            await pending.came_back(_brought(state, code, iss, error))
        except SessionError as failure:
            raise SignInRefused(str(failure)) from None
        return pending.server

    async def wait(self, server_id: str, seconds: float) -> None:
        """Wait until a sign-in to the server is over that waits now, so many seconds at most."""
        waiting = {one.task for one in self._waiting.values() if one.server == server_id}
        if waiting:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def outcome(self, server_id: str) -> tuple[bool, str | None]:
        """Whether a sign-in ended since one was begun last, and why it came to nothing where it did."""
        return server_id in self._outcomes, self._outcomes.get(server_id)

    async def forget(self, server_id: str) -> bool:
        """Remove every token of the server: who uses it next has to sign in. Whether there was one.

        Raises SessionError.
        """
        self._machines.forget(server_id)
        for account in self._of(server_id):
            await account.forget()
        try:
            forgotten = await asyncio.to_thread(forget_records, self._vault, server_id)
            self._ended(server_id, True)
            return forgotten
        except (VaultError, OSError) as error:
            raise SessionError(f"The sign-in cannot be forgotten: {error}", terminal=True, code="vault") from None

    def gone(self, server_id: str) -> None:
        """The server is gone: nobody is asked to sign in to it any more. Its tokens stay until they are forgotten."""
        self._machines.forget(server_id)
        self._accounts.pop(server_id, None)
        self._outcomes.pop(server_id, None)
        for account in self._of(server_id):
            account.give_up()

    def moved(self) -> None:
        """The engine listens elsewhere than before: sign-ins that would come back to the wrong place begin anew."""
        redirect, moved = self._redirect(), set[str]()
        for pending in tuple(self._waiting.values()):
            if pending.redirect != redirect:
                moved.add(pending.server)
                pending.give_up()
        for server_id in moved:
            self._ended(server_id, False)

    def secrets(self) -> Iterator[str]:
        """What must never be shown."""
        yield from self._machines.secrets()
        for account in tuple(self._others.values()):
            yield from account.secrets

    async def close(self) -> None:
        """End what waits; what was given to us is kept."""
        self._machines.close()
        await asyncio.gather(*(account.settle() for account in tuple(self._others.values())))

    def _redirect(self) -> str:
        return f"{self._public_url() or WITHOUT_LISTENER}{CALLBACK}"

    def _of(self, server_id: str) -> list[Account]:
        return [account for site, account in tuple(self._others.items()) if site.server == server_id]

    def _new_page(self, pending: PendingSignIn) -> None:
        """Raises SessionError where the engine came to listen elsewhere meanwhile."""
        if pending.redirect != self._redirect():
            raise SessionError("The engine listens elsewhere now; the sign-in begins anew.", code="moved")
        self._waiting[pending.state] = pending
        pending.task.add_done_callback(lambda _: self._over(pending))

    def _over(self, pending: PendingSignIn) -> None:
        self._waiting.pop(pending.state, None)
        if pending.answered and not pending.task.cancelled():
            failure = pending.task.exception()
            self._outcomes[pending.server] = str(failure) if failure else None
            self._ended(pending.server, False)


def _brought(state: str, code: str | None, iss: str | None, error: str | None) -> CameBack | SessionError:
    if error is not None:
        return SessionError(f"The authorization server says no: {error}.", code="sign-in-failed")
    if not code:
        return SessionError("The authorization server sent no code.", code="sign-in-failed")
    return CameBack(state, code, iss)
