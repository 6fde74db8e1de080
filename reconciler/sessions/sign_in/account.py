"""A person's sign-in to one server: the token its sessions show, and what happens when it is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import Challenge, NotSignedIn, SignInNeeded
from reconciler.sessions.sign_in.door import renew_grant, sign_in_as_a_person
from reconciler.sessions.sign_in.grants import (
    Attempt,
    Grant,
    NotGranted,
    Publish,
    Record,
    Registration,
    Site,
    united,
    words,
)
from reconciler.sessions.sign_in.pending import PendingSignIn
from reconciler.sessions.sign_in.renewal import Shown
from reconciler.sessions.sign_in.shelf import keep_record, read_records
from reconciler.store.vault import Vault, VaultError

_NO_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
"""The client itself is no longer known: another one is registered for the next sign-in."""
_FIELD = re.compile(r'\b(error|scope)=(?:"([^"]*)"|([^\s,]+))')
_AT_A_TIME = 3
"""Sign-ins that wait for the same person; the oldest is given up for a further one."""


@dataclass(frozen=True, slots=True)
class Around:
    """What an account needs of its project: where tokens are kept, the redirect URI, and who is told of a new page."""

    vault: Vault
    redirect: Callable[[], str]
    new_page: Callable[[PendingSignIn], None]


class Account:
    """A Credential. Shared by every session with the same site, so that one renewal serves all of them."""

    def __init__(self, site: Site, around: Around) -> None:
        self.site = site
        self._around = around
        self._pending: list[PendingSignIn] = []
        self._shown = Shown(self._renew)
        self.header = self._shown.header
        self._challenge: Challenge | None = None
        self._records: dict[str, Record] = {}
        self._issuer: str | None = None
        """Whose grant is shown."""
        self._unkept: dict[str, Record] = {}
        self._read = False
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._writes: set[asyncio.Task[None]] = set()

    # Showing a token

    async def prepare(self) -> str | None:
        await self._recall()
        if self._shown.header() is None and self._renewable:
            await self._shown.renew_ahead()
        return self._shown.value if self._shown.holds else None

    async def refused(self, sent: str | None, challenge: Challenge, tries: int) -> str | None:
        """A token is renewed once for a request; what is refused after that takes a person."""
        await self._recall()
        if challenge.status == 403:
            return await self._wants_more(sent, challenge)
        self._challenge = challenge
        if tries == 1 and sent is not None and sent == self._shown.value and self._renewable:
            await self._shown.renew()
        value = self._shown.value if self._shown.holds else None
        if tries <= 2 and value is not None and value != sent:
            return value
        raise SignInNeeded(f"{self.site.name} wants you to sign in: sign in at {await self._way_in()}")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        records = (*self._records.values(), *self._unkept.values())
        return tuple(text for record in records for text in record.secrets)

    @property
    def asked(self) -> str | None:
        """The scopes of the sign-in that holds, for another one like it."""
        return self._grant.asked if self._grant else None

    # Asking a person

    @property
    def url(self) -> str | None:
        """Where a person can sign in now."""
        return next((one.url for one in reversed(self._pending) if one.waits), None)

    async def page(self, scope: str | None = None, challenge: Challenge | None = None) -> str:
        """The URL at which a person signs in from now on: the one that is shown already, or another one.

        `scope` is asked for beyond what is usual. Raises SessionError.
        """
        await self._recall()
        latest = self._pending[-1] if self._pending else None
        fits = latest is not None and latest.fresh and latest.redirect == self._around.redirect()
        if latest is None or not fits or not set(words(scope)) <= set(words(latest.asks)):
            latest = self._ask(united(scope, latest.asks if latest and scope else None), challenge)
        return await latest.page()

    async def _wants_more(self, sent: str | None, challenge: Challenge) -> str | None:
        """A person is asked for more once; what was asked for and not given is not asked for again."""
        said = {name: quoted or bare for name, quoted, bare in _FIELD.findall(challenge.header or "")}
        if sent is None or said.get("error") != "insufficient_scope":
            return None
        grant, value = self._grant, self._shown.value
        if value is not None and value != sent:
            return value
        wanted, asked = said.get("scope"), united(grant.asked, grant.scope) if grant else None
        missing = [word for word in words(wanted) if word not in words(asked)]
        if not missing:
            why = f' ("{wanted}"), which was asked for and not given' if wanted else " and does not say which"
            raise SessionError(f"{self.site.name} wants a further scope{why}.", terminal=True, code="scope")
        try:
            way_in = await self._way_in(united(asked, wanted), challenge)
            message = f'{self.site.name} wants you to allow more ("{" ".join(missing)}"): sign in at {way_in}'
            raise SignInNeeded(message)
        except NotSignedIn as error:
            error.ends = False
            raise

    async def _way_in(self, scope: str | None = None, challenge: Challenge | None = None) -> str:
        return f"{await self.page(scope, challenge)} (or by `reconciler auth {self.site.server}`)"

    def _ask(self, scope: str | None, challenge: Challenge | None) -> PendingSignIn:
        site = self.site
        attempt = Attempt(
            redirect=self._around.redirect(),
            challenge=self._challenge or challenge,
            scope=united(" ".join(site.scopes or ()), scope),
            bound_to=self._bound_to,
            registered={issuer: one.registration for issuer, one in self._records.items() if one.registration},
        )

        async def run(publish: Publish) -> None:
            issuer, grant = await sign_in_as_a_person(site, attempt, publish, self._registered)
            await self._keep(issuer, grant=grant)
            self._close_pages(scope)

        pending = PendingSignIn(site.server, attempt.redirect, scope, run, self._around.new_page)
        self._pending = [*(one for one in self._pending if not one.task.done()), pending]
        for given_up in self._pending[:-_AT_A_TIME]:
            given_up.give_up()
        return pending

    def _close_pages(self, allowed: str | None) -> None:
        """Somebody signed in: pages that ask for nothing further are of no use any more."""
        for one in self._pending:
            if set(words(one.asks)) <= set(words(allowed)):
                one.give_up()

    @property
    def _bound_to(self) -> str | None:
        """Where the client that the file names signed in before: its secret goes nowhere else."""
        named = self.site.client_id
        return next((issuer for issuer, one in self._records.items() if named and one.client_id == named), None)

    def give_up(self) -> None:
        """Whoever signs in from now on begins anew."""
        for pending in self._pending:
            pending.give_up()

    async def settle(self) -> None:
        """The project ends: let be kept what is on its way, and wait for nobody."""
        self.give_up()
        await asyncio.gather(*(one.task for one in self._pending), return_exceptions=True)
        await self._shown.settle()
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def forget(self) -> None:
        """Nothing is shown any more. Sessions that are open meet a refusal with their next request."""
        await self.settle()
        self._records.clear()
        self._unkept.clear()
        self._issuer = None
        self._shown.use(None)

    # Renewing and keeping

    @property
    def _grant(self) -> Grant | None:
        record = self._records.get(self._issuer or "")
        return record.grant if record else None

    @property
    def _renewable(self) -> bool:
        return self._grant is not None and self._grant.refresh_token is not None

    async def _renew(self) -> None:
        issuer, grant = self._issuer, self._grant
        if issuer is None or grant is None:
            return None
        if issuer in self._unkept and self._unkept[issuer].grant is not grant:
            return await self._keep(issuer)  # it was renewed, and could not be written down
        try:
            renewed = await renew_grant(self.site, grant)
        except NotGranted as refusal:
            return await self._not_renewed(issuer, grant, refusal)
        return await self._keep(issuer, grant=renewed)

    async def _not_renewed(self, issuer: str, grant: Grant, refusal: NotGranted) -> None:
        """Sessions of before a change of the file have an account of their own, which may have been quicker."""
        kept = next((one for one in await self._kept() if one.issuer == issuer), None)
        if kept is not None and kept.grant is not None and kept.grant.refresh_token != grant.refresh_token:
            self._records[issuer] = kept
            self._use(kept)
            return
        changes: dict[str, Any] = {"registration": None} if refusal.code in _NO_CLIENT else {}
        await self._keep(issuer, grant=None, **changes)

    async def _registered(self, issuer: str, registration: Registration) -> None:
        """A grant that stands beside it names its own client, and goes on."""
        await self._keep(issuer, registration=registration)

    async def _keep(self, issuer: str, **changes: Any) -> None:
        """Written down first, used then; no cancellation comes in between. Raises SessionError."""
        write = asyncio.create_task(self._write(issuer, changes), name="keeping a sign-in")
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        await asyncio.shield(write)

    async def _write(self, issuer: str, changes: dict[str, Any]) -> None:
        async with self._writing:
            before = self._unkept.get(issuer) or self._records.get(issuer)
            record = replace(before or Record(self.site.url, issuer, self.site.client_id), **changes)
            self._unkept[issuer] = record
            try:
                await asyncio.to_thread(keep_record, self._around.vault, self.site, record)
            except (VaultError, OSError) as error:
                raise SessionError(f"The sign-in to {self.site.name} cannot be kept: {error}", code="vault") from None
            self._unkept.pop(issuer, None)
            self._records[issuer] = record
            if record.grant is not None or issuer == self._issuer:
                self._use(record)

    async def _recall(self) -> None:
        """Read what was kept when the engine ended. Raises SessionError."""
        if self._read:
            return
        async with self._reading:
            if self._read:
                return
            found = await self._kept()
            self._records = {record.issuer: record for record in found}
            granted = next((record for record in found if record.grant is not None), None)
            if granted is not None:
                self._use(granted)
            self._read = True

    async def _kept(self) -> list[Record]:
        """What the vault holds, the last written first. Raises SessionError."""
        try:
            return await asyncio.to_thread(read_records, self._around.vault, self.site)
        except (VaultError, OSError) as error:
            message = f"The sign-in to {self.site.name} cannot be read: {error}"
            raise SessionError(message, terminal=True, code="vault") from None

    def _use(self, record: Record) -> None:
        self._issuer, grant = record.issuer, record.grant
        if grant is None:
            self._shown.use(None)
        else:
            self._shown.use(grant.access_token, grant.ends_at, grant.renew_at)
