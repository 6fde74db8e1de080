"""Turn a plan's actions into accepted entries and wait for what they do. Reads: Plan. Writes: ledger, workers' wake.

Order: tighten first; close; open; update; loosen last. Failures stay with their server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, assert_never

from reconciler.engine.ledger import Ledger
from reconciler.engine.pauses import Pauses
from reconciler.model.document import Document
from reconciler.model.pause import Pause
from reconciler.plan.actions import (
    PROJECT,
    Action,
    Create,
    Delete,
    Disable,
    Enable,
    Plan,
    Reconnect,
    Regroup,
    Update,
    word,
)
from reconciler.sessions.session import SessionError
from reconciler.store.refused import why_not_written

OnFailure = Literal["continue", "stop", "rollback"]
OutcomeStatus = Literal["applied", "failed", "skipped", "waiting", "rolled-back", "late"]
_TAKEN_UP = ("applied", "failed", "late")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action. `late` means that it was still on its way when the wait was over.

    Where `paused` is set, it was accepted and starts nothing: it takes effect once that pause is over.
    """

    server: str
    action: str
    status: OutcomeStatus
    milliseconds: int = 0
    error: str | None = None
    code: str | None = None
    marks: tuple[str, ...] = ()
    paused: Pause | None = None

    def to_json(self) -> dict[str, Any]:
        """One member of `results` in the answer to an apply."""
        error = None if self.error is None else {"code": self.code, "message": self.error}
        return {
            "server": self.server,
            "action": self.action,
            "status": self.status,
            "ms": self.milliseconds,
            "error": error,
            "marks": list(self.marks),
            "paused": self.paused.to_json() if self.paused else None,
        }


Report: TypeAlias = Callable[[Outcome | tuple[str, str]], None]
"""Told of every start `(server, action)` and every Outcome."""


class Hands(Protocol):
    """What the executor needs of a project. `closing`: the engine ends, and nothing more is taken up."""

    ledger: Ledger
    pauses: Pauses
    closing: bool

    def wake(self, server_id: str) -> None:
        """The server's accepted entry changed."""
        ...

    def retry(self, server_id: str) -> None:
        """The server is to be tried again at once."""
        ...

    async def settled(self, server_id: str) -> SessionError | None:
        """Wait until the server is as accepted, or failed to become so."""
        ...


async def execute(
    plan: Plan,
    hands: Hands,
    waiting: Mapping[str, tuple[str, ...]],
    report: Report,
    *,
    on_failure: OnFailure = "continue",
    wait: float = 120.0,
) -> list[Outcome]:
    """Carry out what does not wait; answers one Outcome per action and repair, in plan order."""
    outcomes: dict[str, Outcome] = {
        action.server: Outcome(action.server, word(action), "waiting", marks=waiting[action.server])
        for action in plan.actions
        if action.server in waiting
    }
    before = hands.ledger.document
    todo = [action for action in (*plan.actions, *plan.drift) if action.server not in outcomes]
    run = _Run(plan, hands, report, time.monotonic() + wait)
    for phase in _phases(todo):
        if hands.closing or (on_failure != "continue" and _any_failed(outcomes)):
            outcomes |= {a.server: Outcome(a.server, word(a), "skipped") for a in phase}
            continue
        outcomes |= {outcome.server: outcome for outcome in await run.phase(phase)}
    if on_failure == "rollback" and _any_failed(outcomes) and not hands.closing:
        outcomes |= await run.roll_back(before, todo, outcomes)
    return [outcomes[action.server] for action in (*plan.actions, *plan.drift)]


def _phases(actions: Sequence[Action]) -> list[list[Action]]:
    """In order; what new settings matter for, and new servers, come no earlier than the settings."""
    phases: list[list[Action]] = [[], [], [], [], []]
    settings = next((_phase(action) for action in actions if action.server == PROJECT), 0)
    for action in actions:
        earliest = settings if action.with_settings or isinstance(action, Create) else 0
        phases[max(_phase(action), earliest)].append(action)
    return [phase for phase in phases if phase]


def _phase(action: Action) -> int:
    if "loosen" in action.marks:
        return 4
    if action.tightens or action.server == PROJECT:
        return 0
    match action:
        case Disable() | Delete():
            return 1
        case Create() | Reconnect() | Enable():
            return 2
        case Update() | Regroup():
            return 3
        case _:
            assert_never(action)


def _any_failed(outcomes: Mapping[str, Outcome]) -> bool:
    return any(outcome.status == "failed" for outcome in outcomes.values())


class _Run:
    """One execution of one plan."""

    def __init__(self, plan: Plan, hands: Hands, report: Report, deadline: float) -> None:
        self._plan = plan
        self._hands = hands
        self._report = report
        self._deadline = deadline
        self._refused: OSError | None = None

    async def phase(self, actions: Sequence[Action]) -> list[Outcome]:
        """Take up all actions of a phase: accepted and on the disk first, then awaited side by side. Once the disk
        refused, nothing more is taken up: it would be part of no plan."""
        if self._refused is not None:
            return [self._not_written(action, self._refused) for action in actions]
        for action in actions:
            self._report((action.server, word(action)))
            self._accept(action)
        try:
            await self._hands.ledger.commit()
        except OSError as error:
            self._refused = error
            return [self._not_written(action, error) for action in actions]
        for action in actions:
            self._wake(action)
        return list(await asyncio.gather(*map(self._outcome, actions)))

    def _not_written(self, action: Action, error: OSError) -> Outcome:
        """Nothing of it was accepted; a worker that looked too early looks again."""
        self._wake(action)
        outcome = Outcome(action.server, word(action), "failed", error=why_not_written(error), code="state")
        self._report(outcome)
        return outcome

    async def roll_back(
        self, before: Document, actions: Iterable[Action], outcomes: Mapping[str, Outcome]
    ) -> dict[str, Outcome]:
        """Accept again what was accepted before of everything that this run changed; what failed stays reported so."""
        taken = [a for a in actions if outcomes[a.server].status in _TAKEN_UP and not self._is_repair(a)]
        for action in taken:
            if action.server == PROJECT:
                self._hands.ledger.accept_settings(before.settings, default_project=before.default_project)
            else:
                self._hands.ledger.accept(action.server, before.servers.get(action.server))
        try:
            await self._hands.ledger.commit()
        except OSError:
            return {}  # what was applied stays applied, and is reported so
        for action in taken:
            self._wake(action)
        undone = [action for action in taken if outcomes[action.server].status != "failed"]
        await asyncio.gather(*(self._settled(action.server) for action in undone if action.server != PROJECT))
        return {action.server: Outcome(action.server, word(action), "rolled-back") for action in undone}

    async def _outcome(self, action: Action) -> Outcome:
        started = time.monotonic()
        failure = None if action.server == PROJECT else await self._settled(action.server)
        outcome = _outcome(action, failure, started, self._rests(action))
        self._report(outcome)
        return outcome

    def _rests(self, action: Action) -> Pause | None:
        """The pause that keeps the action from opening what it is about."""
        if not isinstance(action, Create | Enable | Reconnect):
            return None
        server = self._hands.ledger.server(action.server)
        return self._hands.pauses.of(action.server) if server is not None and server.enabled else None

    def _accept(self, action: Action) -> None:
        ledger, desired = self._hands.ledger, self._plan.desired
        if action.server == PROJECT:
            ledger.accept_settings(desired.settings, default_project=desired.default_project)
        elif not self._is_repair(action):
            ledger.accept(action.server, desired.servers.get(action.server))

    def _wake(self, action: Action) -> None:
        if action.server == PROJECT:
            for server in self._hands.ledger.document.servers:
                self._hands.wake(server)
        elif self._is_repair(action):
            self._hands.retry(action.server)
        else:
            self._hands.wake(action.server)

    def _is_repair(self, action: Action) -> bool:
        """A session that is down is opened again although nothing in the file changed."""
        return any(action is repair for repair in self._plan.drift)

    async def _settled(self, server: str) -> SessionError | None:
        left = max(self._deadline - time.monotonic(), 0.01)
        try:
            async with asyncio.timeout(left):
                return await self._hands.settled(server)
        except TimeoutError:
            return SessionError("still on its way", code="late")


def _outcome(action: Action, failure: SessionError | None, started: float, paused: Pause | None) -> Outcome:
    milliseconds = int((time.monotonic() - started) * 1000)
    if failure is None:
        return Outcome(action.server, word(action), "applied", milliseconds, paused=paused)
    status: OutcomeStatus = "late" if failure.code == "late" else "failed"
    return Outcome(action.server, word(action), status, milliseconds, str(failure), failure.code)
