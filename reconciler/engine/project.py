"""One file, its state and its loop. Everything a face asks of an engine goes through a Project."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from reconciler.engine.awake import Jump
from reconciler.engine.background import Background
from reconciler.engine.conditions import Transitions, phase_facts
from reconciler.engine.environment import Environment
from reconciler.engine.events import Events, now_text
from reconciler.engine.execute import Outcome
from reconciler.engine.followed import Followed
from reconciler.engine.hints import Hints
from reconciler.engine.holds import Holds
from reconciler.engine.ledger import Ledger, load_accepted
from reconciler.engine.life import exit_row, next_try_in, words_of
from reconciler.engine.locked import ProjectLock
from reconciler.engine.loop import Worker
from reconciler.engine.news import News
from reconciler.engine.observer import Observer
from reconciler.engine.offers import Offers
from reconciler.engine.opening import Opening
from reconciler.engine.pauses import Pauses
from reconciler.engine.pending import Waiting
from reconciler.engine.remembered import Remembered
from reconciler.engine.rewrite import Rewritten
from reconciler.engine.secrets import StoredSecrets
from reconciler.engine.times import Times, remembered_times
from reconciler.engine.tokens import Tokens
from reconciler.engine.workers import Workers
from reconciler.engine.yeses import Yeses
from reconciler.gate.approvals import Approvals, Audit, Now, World
from reconciler.gate.gate import Gate
from reconciler.gate.policy import Policy
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Status
from reconciler.model.server import Mock, Server
from reconciler.problems import errors
from reconciler.sessions.hub import Hub
from reconciler.sessions.instance import LISTED_AGAIN, Instance, NotLive
from reconciler.sessions.session import End, SessionError
from reconciler.sessions.sign_in.sign_ins import SignIns
from reconciler.sessions.transports import sweep_leftovers
from reconciler.sessions.uplink import Uplinks
from reconciler.store.approval_rows import ApprovalRows
from reconciler.store.audit_rows import AuditRows
from reconciler.store.observed import read_observed
from reconciler.store.records import Records
from reconciler.store.sources import Snapshot, Sources, read_sources
from reconciler.store.state_dir import StateDir, fingerprint
from reconciler.store.vault import Vault

LAST_WORDS = 5.0
"""Seconds that an end waits for what is being written."""
RETRY_WAIT = 30.0
"""Seconds a call waits for a session that is on its way."""


class Project:
    """A configuration file that is being made true."""

    def __init__(self, name: str, sources: Sources, state: StateDir) -> None:
        self.name = name
        self.sources = sources
        self.state = state
        self.news = News()
        self.waiting = Waiting()
        self.followed = Followed()
        self.read_only = False
        """Whether the file may not be changed from here; the host says so."""
        self._known: Snapshot | None = None
        self.rewritten: Rewritten | None = None
        """What a change of the files, looked at last, would make of them: that of the door."""
        self.applying = asyncio.Lock()
        self.pinning = asyncio.Lock()
        self.vault = Vault(state)
        self.environment = Environment(sources.folder, self.vault.get)
        self.records = Records(state.records)
        self.holds = Holds(self.records)
        self.events = Events(self.records, self.environment.hide, self.news.tell)
        self.pauses = Pauses(self.records, self.events.say, self.wake)
        self.tokens = Tokens(state, self.events.say)
        self.ledger = Ledger(state, Accepted())
        self.yeses = Yeses(state, self.ledger, self.records)
        self.secrets = StoredSecrets(self.vault, self.environment, self.ledger, self.retry, self.events.say)
        self.uplinks = Uplinks(self.wake)
        self.public_url: Callable[[], str | None] = lambda: None
        """Where the engine listens, None while it does not; the host says so."""
        self.sign_ins = SignIns(self.vault, lambda: self.public_url(), self._sign_in_ended)
        self.environment.held = self.sign_ins.secrets
        self.told: set[Callable[[str, str, Mapping[str, Any]], None]] = set()
        self.lock = ProjectLock(sources, self.ledger, self.events.say)
        self.opening = Opening(state, self.environment, self.ledger, self.sign_ins, self.lock)
        self.hub = Hub(self.opening.open, self._told)
        self.background = Background(self.events.say)
        self._hints = Hints(self.ledger, self.hub, self.records, lambda: self.offers.touch())
        self.offers = Offers(self.ledger, self.hub, self._hints.of, self.lock)
        self.remembered = Remembered(state.always, self.events.say, self.offers.touch)
        self.offers.always, self.offers.paused = self.remembered.of, self.pauses.why
        audit = AuditRows(self.records).add
        self.gate = Gate(self, self._approvals(audit), audit)
        self.times: dict[str, Times] = {}
        self.transitions = Transitions()
        self.closing = False
        self.workers = Workers(self, lambda server_id: server_id in self.ledger.document.servers)
        self.observer = Observer(
            self.ledger, self.hub, self.workers, self.pauses, self.environment, self.offers, self._dial_at
        )
        self.tried: set[Instance] = set()
        """Sessions of what somebody only tries."""
        self._watching_lock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what was accepted, remove what a killed engine left behind, and drive towards the accepted document."""
        self.state.ensure()
        self.state.ensure_key()
        sweep_leftovers(self.opening.cookie)
        aside = await self.records.open(now_text())
        if aside is not None:
            self.events.say("state", f"the records were damaged; they are kept as {aside.name} and begun anew")
        self.tokens.start()
        await self.secrets.unlock()
        self.ledger.begin_with(load_accepted(self.state, self.sources.project, self.events.say))
        await self.holds.start()
        if aside is not None:
            await self.holds.lost(self.ledger.accepted, now_text())
        await self.gate.approvals.start()
        self.remembered.start()
        self.times = remembered_times(self.state, self.ledger.document.servers)
        self.transitions.remember(read_observed(self.state))
        self.lock.look()
        self._watching_lock = asyncio.create_task(self.lock.watch(self.lock_changed), name="watching the lock")
        await self.pauses.start(self.ledger.document.servers)  # one that is over by now wakes its server
        for server_id in self.ledger.document.servers:
            await self._hints.load(server_id, self._hints.launch(server_id))
            self.wake(server_id)

    async def stop(self) -> None:
        """End every session and process, and write everything out. What is being applied goes no further."""
        self.closing = True
        self.workers.close()
        if self._watching_lock is not None:
            self._watching_lock.cancel()
        await self.pauses.close()
        await asyncio.gather(*(one.close() for one in self.tried), self.workers.stop())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.applying.acquire(), LAST_WORDS)
        await self.hub.close()
        await self.sign_ins.close()
        await self.background.finish(LAST_WORDS)
        await self.events.flush()
        await self.records.close()

    async def read(self) -> Snapshot:
        """What the files say now."""
        snapshot = await asyncio.to_thread(read_sources, self.sources, known=self._known)
        self.took(snapshot)
        return snapshot

    def took(self, snapshot: Snapshot) -> None:
        """This is what the files say now; it is not read again while they say the same."""
        self._known = snapshot
        if self.rewritten is not None and self.rewritten.before is not snapshot:
            self.rewritten = None
        self.followed.problems = list(snapshot.reading.problems)

    def writes(self, snapshot: Snapshot) -> None:
        """This is what we are about to make the files say: whoever follows them need not doubt it."""
        self.followed.ours = frozenset(digest for _, digest in snapshot.digests)

    def desired(self, snapshot: Snapshot) -> Document:
        """The document of a snapshot without errors."""
        if errors(snapshot.reading.problems):
            raise ValueError("the configuration has errors")
        return snapshot.reading.document(hide=fingerprint(self.state.key())).knowing(self.ledger.document)

    def status_of(self, server_id: str) -> tuple[Status, str]:
        """The seeds' word for a server and a sentence: why it is so."""
        return self.observer.status(server_id)

    def worker(self, server_id: str) -> Worker | None:
        """Who drives the server; None when it was never accepted."""
        return self.workers.of(server_id)

    def _dial_at(self, server_id: str) -> str | None:
        base = self.public_url()
        return f"ws{base[4:]}/connect/{self.name}/{server_id}" if base else None

    # What the workers ask (engine.world.World) and the executor needs (engine.execute.Hands).

    def wanted(self, server_id: str) -> Server | None:
        return self.ledger.server(server_id)

    def paused(self, server_id: str) -> str | None:
        pause = self.pauses.of(server_id)
        return str(pause) if pause else None

    def generation(self, server_id: str) -> int:
        return self.ledger.accepted.changed.get(server_id, self.ledger.accepted.serial)

    def last_words(self, server_id: str) -> str:
        return self.environment.hide(self.opening.last_words(server_id))

    def last_ready(self, server_id: str) -> Server | None:
        return self.ledger.ready(server_id)

    def became_ready(self, instance: Instance) -> None:
        server = instance.server
        self._times(server.id).connected = now_text()
        self.opening.opened(instance)
        self.events.say("connected", f"{server.name} is connected", server.id)
        self.lock.tell(server.id, self.offers.locked(server.id))
        wanted = self.wanted(server.id)
        if wanted is None or wanted.spec != server.spec:
            return  # what an earlier spec says of its tools is not what the accepted launch says
        if self.ledger.remember_ready(server.id):
            self.background.add(self.ledger.commit())
        self.background.add(self._hints.note(server.id, self._hints.launch(server.id), instance.listing.tools))

    def changed(self, server_id: str) -> None:
        if (worker := self.workers.of(server_id)) is not None:
            facts = phase_facts(worker.life.phase, "", serves=self.serving(server_id) is not None)
            self.transitions.note(server_id, facts, worker.life.since)
        self.offers.touch()
        self.news.tell()

    def failed(self, server_id: str, reason: str) -> None:
        self.events.say("error", reason, server_id)

    def went_down(self, instance: Instance, end: End) -> None:
        self._keep_exit(instance, end)
        self.events.say("down", f"{instance.server.name} went down: {words_of(end)}", instance.server.id)

    def never_came(self, instance: Instance, end: End) -> None:
        self._keep_exit(instance, end)

    def _keep_exit(self, instance: Instance, end: End) -> None:
        row = exit_row(instance, end, now_text(), self.environment.hide)
        self.background.add(self.records.add_exit(row))

    def wake(self, server_id: str) -> None:
        self.offers.touch()
        self.workers.wake(server_id)

    def retry(self, server_id: str) -> None:
        self.offers.touch()
        self.workers.retry(server_id)

    def _sign_in_ended(self, server_id: str, forgotten: bool) -> None:
        """Somebody else may be signed in now: what was opened before is not theirs, and nobody's once forgotten."""
        if server_id in self.ledger.document.servers:
            if forgotten:
                self.hub.retire(server_id)
            self.retry(server_id)

    def jumped(self, found: Jump) -> None:
        """The machine slept, or its clock was set."""
        self.events.say("wake" if found.slept else "clock", found.words)
        self.workers.jumped(slept=found.slept)

    async def settled(self, server_id: str) -> SessionError | None:
        return await self.workers.settled(server_id)

    def gone(self, server_id: str) -> None:
        self.workers.forget(server_id)
        self.hub.forget(server_id)
        self.opening.forget(server_id)
        self.environment.forget(server_id)
        self.sign_ins.gone(server_id)
        self._forget(server_id)

    def _forget(self, server_id: str) -> None:
        """One that comes later under the same id is another."""
        self.times.pop(server_id, None)
        self.transitions.forget(server_id)
        self.lock.forget(server_id)
        self.offers.forget(server_id)
        self._hints.forget(server_id)
        self.background.add(self.pauses.forget(server_id))

    def note(self, outcomes: list[Outcome]) -> None:
        """Keep the times that status shows up to date with what was carried out."""
        for outcome in outcomes:
            if outcome.status in ("waiting", "skipped"):
                continue
            if outcome.server not in self.ledger.document.servers:
                self._forget(outcome.server)
            else:
                self._times(outcome.server).updated = now_text()
        self.offers.touch()

    def refresh_lock(self) -> None:
        """Read the lock now, if its file changed."""
        if self.lock.look():
            self.lock_changed()

    def lock_changed(self) -> None:
        """Other pins hold from now on."""
        self.offers.touch()
        for server_id in self.ledger.document.servers:
            if (live := self.serving(server_id)) is not None:
                self.lock.tell(server_id, self.offers.locked(server_id))
                if isinstance(live.server.transport, Mock):  # it may show what was pinned before
                    self.retry(server_id)
        self.news.tell()

    def policy(self, server_id: str) -> Policy | None:
        """What the accepted document and the lock say about the server's tools; None for an unknown server."""
        return self.offers.policy(server_id)

    def serving(self, server_id: str) -> Instance | None:
        """The session that would take a call now."""
        live = self.hub.slot(server_id).live
        return live if live is not None and live.state == "ready" else None

    def follow_resources(self, server_id: str, uris: frozenset[str]) -> None:
        """Have `told` hear of updates of these resources and no others, whichever session serves."""
        if server_id in self.ledger.document.servers:
            self.hub.follow_resources(server_id, uris)

    def log_level(self, server_id: str, level: str) -> None:
        """Have a server of the handshake era log from this level on, whichever session serves."""
        if server_id in self.ledger.document.servers:
            self.hub.log_level(server_id, level)

    def _told(self, server_id: str, method: str, params: Mapping[str, Any]) -> None:
        if method == LISTED_AGAIN:
            self.offers.touch()
            self.lock.tell(server_id, self.offers.locked(server_id))
            self.news.tell()
            return
        for listener in tuple(self.told):
            listener(server_id, method, params)

    async def ready(self, server_id: str) -> None:
        """Calls wait only where a new session is on its way; otherwise NotLive is raised at once, with the reason."""
        worker = self.workers.of(server_id)
        if worker is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.served(), RETRY_WAIT)
        if self.serving(server_id) is None:
            if (paused := self.pauses.why(server_id)) is not None:
                raise NotLive(paused)
            (status, reason), life = self.status_of(server_id), worker.life if worker else None
            raise NotLive(f'"{server_id}" is {status}{f": {reason}" if reason else ""}{next_try_in(life, utc_now())}')

    def _approvals(self, audit: Audit) -> Approvals:
        def serving(server_id: str, tool: str) -> Now | None:
            policy, live = self.policy(server_id), self.serving(server_id)
            if policy is None:
                return Now("", "")
            return Now(live.server.spec, policy.tools.get(tool, "")) if live is not None else None

        hide, say = self.environment.hide, self.events.say
        world = World(serving, lambda: self.ledger.document.approvals, hide, say, self.news.tell)
        return Approvals(ApprovalRows(self.records, self.state.ensure_key), audit, world)

    def _times(self, server_id: str) -> Times:
        now = now_text()
        return self.times.setdefault(server_id, Times(now, now))


def utc_now() -> datetime:
    """The time the engine hands to the pure core."""
    return datetime.now(UTC)
