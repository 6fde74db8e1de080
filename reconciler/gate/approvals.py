"""Calls that wait for a person: who may decide, once, about exactly what was shown, and until when."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from sqlite3 import Error as DatabaseError
from time import monotonic
from typing import Literal, NamedTuple, TypeAlias

from reconciler.gate.content import Content
from reconciler.gate.principal import Refused
from reconciler.gate.showing import Hide, history, shown_digest, why_not
from reconciler.model.document import ApprovalSettings
from reconciler.store.approval_rows import ApprovalRows, CallRow, State, TooMany
from reconciler.store.audit_rows import Entry

Reach: TypeAlias = Literal["once", "session", "always"]
Audit: TypeAlias = Callable[[Entry], Awaitable[None]]
Say: TypeAlias = Callable[[str, str, str], None]
"""Kind, message and server of an event."""

ARMED = 15 * 60.0
"""Seconds in which a call runs that was allowed while nobody waited for it."""
VISIBLE = timedelta(hours=24)
"""How long a closed row is kept."""
_LONGEST = 366 * 24 * 3600.0
_CLOCK_STEP = 60.0
"""Seconds that a clock may be set back between two starts."""
_UNANSWERED = "nobody answered, or used the answer, in time"


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks that may disagree; what one of them takes for over is over."""

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = monotonic


class Now(NamedTuple):
    """What would serve a call now: digests of the server and of the tool's definition ("" for one not listed)."""

    spec: str
    definition: str


class NotDecided(Exception):
    """An answer that came to nothing: unknown-call, too-late, changed, not-recorded."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SessionYes(NamedTuple):
    """A yes to every call of one principal and tool, while both stay as they are and until the engine stops."""

    principal: str
    server: str
    tool: str
    spec: str
    definition: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody answers: `who` is named in the audit."""

    allow: bool
    who: str
    reach: Reach = "once"


@dataclass(frozen=True, slots=True)
class World:
    """What approvals read of the project, asked anew each time. `serving` is None while it is not known what serves."""

    serving: Callable[[str, str], Now | None]
    settings: Callable[[], ApprovalSettings]
    hide: Hide
    say: Say
    changed: Callable[[], None] = lambda: None
    """Called when a call came into another state, after that was recorded."""


class Approvals:
    """The waiting calls of one project. Whoever waits for one hears of its changes through `listening`."""

    def __init__(self, rows: ApprovalRows, audit: Audit, world: World, clock: Clock | None = None) -> None:
        self.world = world
        self._audit = audit
        self._rows = rows
        self._clock = clock or Clock()
        self._waiting: set[str] = set()
        self._deadlines: dict[str, float] = {}
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._session: set[SessionYes] = set()
        self._clients: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many calls wait for an answer."""
        return len(self._waiting)

    async def start(self) -> None:
        """Take up what an earlier engine left: a yes that was given holds, and what had been started is unknown."""
        now = self._clock.wall()
        await self._rows.interrupt(_text(now), "the engine ended while it ran")
        for row in await self._rows.all("waiting", "allowed"):
            left = (datetime.fromisoformat(row.expires) - now).total_seconds()
            ahead = (datetime.fromisoformat(row.changed) - now).total_seconds()
            # what begins later than now was written under a clock that is not to be believed
            self._deadlines[row.id] = self._clock.monotonic() + (left if ahead < _CLOCK_STEP else 0)
        await self._tidy()
        self._waiting = {row.id for row in await self._rows.all("waiting")}

    async def hold(self, content: Content) -> CallRow:
        """The row that this call waits on: the open one of the same content, or a new one. Raises Refused."""
        now = self._clock.wall()
        keep = min(self.world.settings().keep, _LONGEST)
        row = CallRow(
            id=f"call-{secrets.token_hex(5)}",
            server=content.server,
            tool=content.tool,
            arguments=content.arguments,
            hash=content.hash,
            principal=content.principal,
            spec=content.spec,
            definition=content.definition,
            created=_text(now),
            expires=_text(now + timedelta(seconds=keep)),
            state="waiting",
            changed=_text(now),
        )
        try:
            await self._tidy()
            await self._rows.trim(_text(now - VISIBLE))
            held, new = await self._rows.join(row, row.entry(row.created, "ask", "waiting"))
        except TooMany as error:
            with suppress(DatabaseError):  # it is refused either way
                await self._audit(row.entry(row.created, "refused", "not run", call=None, reason=str(error)))
            raise Refused("too-many-pending", f"{error}; `reconciler approvals` lists them") from error
        except DatabaseError as error:
            raise not_recorded(error) from error
        if new:
            self._waiting.add(row.id)
            self._deadlines[row.id] = self._clock.monotonic() + keep
            asks = f"{row.tool} waits for approval, called by {row.principal}: reconciler approve {row.id}"
            self.world.say("approval", asks, row.server)
        return held

    async def get(self, call_id: str) -> CallRow | None:
        """One row as it is now; what was decided under other circumstances is closed first."""
        await self._tidy()
        row = await self._rows.get(call_id)
        return await self._checked(row) if row is not None else None

    async def listed(self, *states: State) -> list[CallRow]:
        """The rows in one of `states`, the oldest first."""
        await self._tidy()
        await self._rows.trim(_text(self._clock.wall() - VISIBLE))
        rows = [await self._checked(row) for row in await self._rows.all(*states)]
        return [row for row in rows if row.state in states]

    async def decide(self, call_id: str, decision: Decision) -> CallRow:
        """A person's answer. The first one counts; a no also takes back a yes that was not used. Raises NotDecided."""
        try:
            row = await self.get(call_id)
            if row is None:
                raise NotDecided("unknown-call", f"no call {call_id} is known (any more)")
            if row.state == "expired" and decision.allow and row.reason != _UNANSWERED:
                raise NotDecided("changed", why_not(row)[1])
            moved = await self._answer(row, decision)
            if moved is None:
                row = await self._rows.get(call_id) or row
                raise NotDecided("too-late", f"{call_id} was answered already: {history(row)}")
        except DatabaseError as error:
            raise NotDecided("not-recorded", f"the answer cannot be recorded, so it does not count: {error}") from error
        if decision.allow and decision.reach == "session":
            self._session.add(SessionYes(row.principal, row.server, row.tool, row.spec, row.definition))
            await self._allow_others(row, decision, principal=row.principal)
        return moved

    async def allow_everywhere(self, row: CallRow, decision: Decision) -> None:
        """The tool does not ask any more: whoever waits for it is let through."""
        await self._allow_others(row, decision, principal=None)

    def covered(self, content: Content) -> bool:
        """Whether a yes for the session covers a call."""
        yes = SessionYes(content.principal, content.server, content.tool, content.spec, content.definition)
        return yes in self._session

    async def claim(self, row: CallRow) -> CallRow | None:
        """Begin to run an allowed call: None when somebody else does, or did. Raises Refused.

        A caller that goes away meanwhile takes nothing with it: the yes stays.
        """
        changes = {"state": "started", "changed": self._now()}
        claiming = asyncio.ensure_future(self._claimed(row, changes))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            if await claiming is not None:
                back = {"state": "allowed", "changed": row.changed}
                entry = row.entry(self._now(), "allow", "allowed", reason="its caller went away before it ran")
                await self._rows.move(row.id, ("started",), back, entry)
            raise
        except DatabaseError as error:
            raise not_recorded(error) from error

    async def finish(self, row: CallRow, state: State, outcome: str, result: str | None, reason: str | None) -> None:
        """How a started call came out."""
        changes = {"state": state, "changed": self._now(), "result": result, "reason": reason}
        await self._rows.move(row.id, ("started",), changes, row.entry(self._now(), "allow", outcome, reason=reason))
        self._over(row.id)

    @contextmanager
    def listening(self, call_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the row changed."""
        changed = asyncio.Event()
        listeners = self._listeners.setdefault(call_id, set())
        listeners.add(changed)
        try:
            yield changed
        finally:
            listeners.discard(changed)
            if not listeners:
                self._listeners.pop(call_id, None)

    def is_awaited(self, call_id: str) -> bool:
        """Whether somebody waits for the call, who would run it at once."""
        return bool(self._listeners.get(call_id))

    @contextmanager
    def asking_client(self, call_id: str) -> Iterator[bool]:
        """Whether this is the only question to a client about a call, while it is asked."""
        first = call_id not in self._clients
        self._clients.add(call_id)
        try:
            yield first
        finally:
            if first:
                self._clients.discard(call_id)

    async def _claimed(self, row: CallRow, changes: dict[str, str]) -> CallRow | None:
        await self._tidy()
        now = self._now()
        entry = row.entry(now, "allow", "started", who=row.who)
        claimed = await self._rows.move(row.id, ("allowed",), changes, entry, now=now)
        self.world.changed()
        return claimed

    async def _answer(self, row: CallRow, decision: Decision) -> CallRow | None:
        now = self._clock.wall()
        shown = shown_digest(row, self.world.hide)
        changes = {"changed": _text(now), "who": decision.who}
        states: tuple[State, ...] = ("waiting",)
        if decision.allow:
            changes |= {"state": "allowed", "expires": _text(now + timedelta(seconds=ARMED))}
            word, outcome = f"allow-{decision.reach}", "allowed"
        else:
            changes |= {"state": "denied"}
            states, word, outcome = ("waiting", "allowed"), "deny", "not run"
        entry = row.entry(_text(now), word, outcome, who=decision.who, shown=shown)
        moved = await self._rows.move(row.id, states, changes, entry, now=_text(now))
        if moved is not None:
            self._waiting.discard(row.id)
            self._deadlines[row.id] = self._clock.monotonic() + ARMED
            self._poke(row.id)
            kind, said = ("approved", "allowed") if decision.allow else ("denied", "denied")
            self.world.say(kind, f"{row.tool} for {row.principal} was {said} by {decision.who}: {row.id}", row.server)
        return moved

    async def _allow_others(self, row: CallRow, decision: Decision, *, principal: str | None) -> None:
        """The other waiting calls that a wider yes covers."""
        for other in await self.listed("waiting"):
            same = (other.server, other.tool, other.spec, other.definition)
            if same != (row.server, row.tool, row.spec, row.definition):
                continue
            if principal in (None, other.principal):
                await self._answer(other, decision)

    async def _checked(self, row: CallRow) -> CallRow:
        """Close an open row whose server or tool is not what it was, or whose text is not what was bound."""
        if row.state not in ("waiting", "allowed"):
            return row
        why = self.changed(row)
        if why is None:
            return row
        changes = {"state": "expired", "changed": self._now(), "reason": why}
        entry = row.entry(self._now(), "changed", "not run", reason=why)
        closed = await self._rows.move(row.id, (row.state,), changes, entry)
        if closed is None:
            return await self._rows.get(row.id) or row
        self._over(row.id)
        return closed

    def changed(self, row: CallRow) -> str | None:
        """Why a row is not about what would run now; None when it is, or while nothing serves."""
        if not _holds(row):
            return "its record was altered"
        now = self.world.serving(row.server, row.tool)
        if now is None:
            return None
        if now.spec != row.spec:
            return f'the server "{row.server}" changed since the call was made; make the call again'
        if now.definition != row.definition:
            return f'the definition of "{row.tool}" changed since the call was made; make the call again'
        return None

    async def _tidy(self) -> None:
        """Close what either clock takes for over."""
        if not self._deadlines:
            return
        overdue = [call_id for call_id, deadline in self._deadlines.items() if deadline <= self._clock.monotonic()]
        for row in await self._rows.expire(self._now(), overdue, _UNANSWERED):
            self.world.say("expired", f"{row.tool} for {row.principal} was not answered in time: {row.id}", row.server)
            self._over(row.id)
        for call_id in overdue:
            self._deadlines.pop(call_id, None)

    def _over(self, call_id: str) -> None:
        self._waiting.discard(call_id)
        self._deadlines.pop(call_id, None)
        self._poke(call_id)
        self.world.changed()

    def _poke(self, call_id: str) -> None:
        for changed in self._listeners.get(call_id, ()):
            changed.set()

    def _now(self) -> str:
        return _text(self._clock.wall())


def not_recorded(error: Exception) -> Refused:
    """No decision without a record."""
    return Refused("not-recorded", f"the call cannot be recorded, so it does not run: {error}")


def _holds(row: CallRow) -> bool:
    """Whether the text of a row is what its hash was made of."""
    content = Content(row.principal, row.server, row.spec, row.definition, row.tool, row.arguments)
    try:
        return content.hash == row.hash
    except ValueError:
        return False


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
