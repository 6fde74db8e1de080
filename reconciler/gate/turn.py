"""One caller's wait for one call: what it hears meanwhile, for how long it waits, and the question to its own user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from reconciler.gate.approvals import Approvals, Decision, NotDecided
from reconciler.gate.showing import form, waits_message
from reconciler.sessions.session import Caller, Progress, RpcError, SessionError
from reconciler.store.approval_rows import CallRow

PATIENCE = 50.0
"""Seconds a caller waits before it is told how to come back: most clients give up after 60."""
TICK = 5.0
"""Seconds between two words of progress."""
ASKED = 10 * 60.0
"""Seconds a client may take to ask its user; its call waits as long."""
TOO_QUICK = 1.0
"""A no that comes sooner, in seconds, was given by no person."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long callers wait, and how often they hear of it, in seconds."""

    whole: float = PATIENCE
    tick: float = TICK
    asked: float = ASKED
    too_quick: float = TOO_QUICK


class Turn:
    """The wait of one caller. `over` says that it has waited long enough."""

    def __init__(self, on_progress: Progress | None, patience: Patience) -> None:
        self._on_progress = on_progress
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + patience.whole
        self._said = 0
        self._asking: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return self._asking is None and self._loop.time() >= self._end

    async def pause(self, row: CallRow, changed: asyncio.Event) -> None:
        """Return when the row changed, or after a while. Says once more what waits, where a row waits."""
        if row.state == "waiting" and self._on_progress is not None:
            self._said += 1
            self._on_progress({"progress": self._said, "message": waits_message(row)})
        left = self._patience.tick if self._asking else min(self._patience.tick, self._end - self._loop.time())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0)):
                await changed.wait()
        changed.clear()

    @property
    def progress(self) -> Progress | None:
        """Where the tool's own progress goes: it goes on from what the wait has come to, since it may only grow."""
        if self._on_progress is None or self._said == 0:
            return self._on_progress
        return self._go_on

    def _go_on(self, news: Mapping[str, Any]) -> None:
        raised = {
            name: news[name] + self._said for name in ("progress", "total") if isinstance(news.get(name), int | float)
        }
        if self._on_progress is not None:
            self._on_progress({**news, **raised})

    @asynccontextmanager
    async def asking(
        self, approvals: Approvals, row: CallRow, caller: Caller | None, changed: asyncio.Event
    ) -> AsyncIterator[None]:
        """Meanwhile the caller's own user is asked, where the file lets the client ask and the client can."""
        if row.state == "waiting" and caller is not None and may_ask(approvals, caller):
            self._asking = asyncio.create_task(self._ask(approvals, row, caller, changed))
        try:
            yield
        finally:
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.wait({self._asking})

    async def _ask(self, approvals: Approvals, row: CallRow, caller: Caller, changed: asyncio.Event) -> None:
        try:
            with approvals.asking_client(row.id) as first:
                if first:
                    await self._put(approvals, row, caller)
        finally:
            self._asking = None
            changed.set()

    async def _put(self, approvals: Approvals, row: CallRow, caller: Caller) -> None:
        question = form(row, approvals.world.hide)
        if question is None:
            return
        began = self._loop.time()
        try:
            async with asyncio.timeout(self._patience.asked):
                answer = await caller.ask("elicitation/create", question)
        except (RpcError, SessionError, TimeoutError):  # it cannot ask its user: the page and the command line remain
            return
        except Exception as error:  # a defect of ours; the call waits all the same
            self._loop.call_exception_handler({"message": "a question to a client failed", "exception": error})
            return
        allow = allows(answer, quick=self._loop.time() - began < self._patience.too_quick)
        if allow is not None and "client" in approvals.world.settings().via:
            with suppress(NotDecided):
                await approvals.decide(row.id, Decision(allow, f"{row.principal} (its client)"))


def may_ask(approvals: Approvals, caller: Caller) -> bool:
    """Whether the file lets a client ask its user, and this one said that it can show a form."""
    elicitation = caller.capabilities.get("elicitation")
    if "client" not in approvals.world.settings().via or not isinstance(elicitation, Mapping):
        return False
    return "form" in elicitation or "url" not in elicitation


def allows(answer: Mapping[str, Any], *, quick: bool) -> bool | None:
    """What a client's answer says: yes, no, or nothing. A no that came too quickly was not given by a person."""
    content = answer.get("content")
    if answer.get("action") == "accept" and isinstance(content, Mapping):
        allow = content.get("allow")
        if allow == "yes":
            return True
        return False if allow == "no" and not quick else None
    return False if answer.get("action") == "decline" and not quick else None
