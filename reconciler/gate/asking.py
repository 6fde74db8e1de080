"""A call that asks: whose yes it has, the wait for one, the one run, and the record of it all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.gate.approvals import Approvals, Audit, not_recorded
from reconciler.gate.content import Content, read_canonical
from reconciler.gate.policy import Verdict
from reconciler.gate.principal import Principal, Refused
from reconciler.gate.servers import Servers, policy_for
from reconciler.gate.showing import failure, parked, unkept, why_not
from reconciler.gate.turn import Turn
from reconciler.sessions.instance import NotLive
from reconciler.sessions.rounds import in_rounds
from reconciler.sessions.session import Caller
from reconciler.store.approval_rows import CallRow, State

MOST_KEPT = 1024 * 1024
"""Characters of a result that is kept for whoever comes back for it."""

_NOT_SHOWN = frozenset(("name", "arguments", "inputresponses", "requeststate"))
"""Members of a call, case-folded, that do not travel with one that asks but as what was approved."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller brings: who it is, its wait, and what travels with the call."""

    principal: Principal
    turn: Turn
    caller: Caller | None = None
    extra: Mapping[str, Any] | None = None


class Asking:
    """The calls of one project that ask."""

    def __init__(self, servers: Servers, approvals: Approvals, audit: Audit) -> None:
        self._servers = servers
        self._approvals = approvals
        self._audit = audit

    async def call(self, content: Content, request: Request, *, own_yes: bool) -> dict[str, Any]:
        """The raw result, or the result that says how to come back for it. Raises as `Gate.call` does."""
        role = request.principal.role
        if role == "owner" or (own_yes and role == "operator"):
            return await self._recorded(content, role, request)
        if self._approvals.covered(content):
            return await self._recorded(content, "session", request)
        return await self.follow(await self._approvals.hold(content), request)

    async def _recorded(self, content: Content, decision: str, request: Request) -> dict[str, Any]:
        """A call that needs nobody else's yes: on record before it is sent, and after."""
        try:
            await self._write(content, decision, "started")
        except Exception as error:
            raise not_recorded(error) from error
        outcome = "failed"
        try:
            result = await self._send(content, request, bound=decision == "session")
            outcome = "error" if result.get("isError") else "done"
            return result
        except asyncio.CancelledError:
            outcome = "unknown"
            raise
        finally:
            with suppress(Exception):  # it ran: a row "started" without a successor says that nobody knows how
                await self._write(content, decision, outcome)

    async def follow(self, row: CallRow, request: Request) -> dict[str, Any]:
        """Wait for what becomes of a row, and be the one who runs it where that falls to us."""
        turn = request.turn
        with self._approvals.listening(row.id) as changed:
            async with turn.asking(self._approvals, row, request.caller, changed):
                while True:
                    match row.state:
                        case "denied" | "expired" | "unknown":
                            raise Refused(*why_not(row))
                        case "done" | "failed":
                            return _kept(row)
                        case "allowed":
                            result = await self._run(row, request)
                            if result is not None:
                                return result
                        case "waiting" | "started":
                            if turn.over:
                                return parked(row)
                            await turn.pause(row, changed)
                    row = await self._again(row)

    async def _again(self, row: CallRow) -> CallRow:
        try:
            fresh = await self._approvals.get(row.id)
        except Exception as error:
            raise not_recorded(error) from error
        if fresh is None:
            raise Refused("expired", f"{row.id} is not known any more")
        return fresh

    async def _run(self, row: CallRow, request: Request) -> dict[str, Any] | None:
        """Run an allowed call, once: None when somebody else does, or when it is not allowed any more."""
        if self._servers.serving(row.server) is None:
            await self._servers.ready(row.server)
        self._allowed(request.principal, row.server, row.tool)
        if self._approvals.changed(row) is not None:
            return None  # a second look closes the row, with the reason
        claimed = await self._approvals.claim(row)
        if claimed is None:
            return None
        return await self._finished(claimed, request)

    async def _finished(self, row: CallRow, request: Request) -> dict[str, Any]:
        content = Content(row.principal, row.server, row.spec, row.definition, row.tool, row.arguments)
        state: State = "failed"
        outcome, kept, reason = "failed", None, None
        try:
            result = await self._send(content, request, bound=True)
            state, outcome = "done", "error" if result.get("isError") else "done"
            kept = _packed({"result": result})
            return result
        except asyncio.CancelledError:
            state, outcome, reason = "unknown", "unknown", "its caller went away while it ran"
            raise
        except Exception as error:
            reason = str(error)
            kept = _packed({"error": reason})
            raise
        finally:
            with suppress(Exception):  # it ran: what cannot be recorded now is unknown at the next start
                await self._approvals.finish(row, state, outcome, kept, reason)

    async def _send(self, content: Content, request: Request, *, bound: bool) -> dict[str, Any]:
        """What was approved is what is sent, again with the answers where the server asks: one call, one yes."""
        params = {**(request.extra or {}), "name": content.tool, "arguments": read_canonical(content.arguments)}

        async def send(params: Mapping[str, Any]) -> dict[str, Any]:
            return await self._send_once(content, request, params, bound=bound)

        return await (in_rounds(send, request.caller.ask, params) if request.caller else send(params))

    async def _send_once(
        self, content: Content, request: Request, params: Mapping[str, Any], *, bound: bool
    ) -> dict[str, Any]:
        """The last look and the sending, with nothing in between.

        A person who makes the call is not `bound` to what served a moment ago.
        """
        verdict = self._allowed(request.principal, content.server, content.tool)
        serving, policy = self._servers.serving(content.server), self._servers.policy(content.server)
        if serving is None or policy is None:
            raise NotLive(f'the session of "{content.server}" ended before the call was sent')
        if bound and (serving.server.spec, policy.tools.get(content.tool, "")) != (content.spec, content.definition):
            raise Refused("changed", f'"{content.tool}" of "{content.server}" changed before the call was sent')
        return await serving.request(
            "tools/call",
            params,
            timeout=verdict.timeout,
            on_progress=request.turn.progress,
            caller=request.caller,
        )

    def _allowed(self, principal: Principal, server: str, tool: str) -> Verdict:
        verdict = policy_for(self._servers, principal, server).verdict(tool)
        if verdict.refusal is not None:
            raise Refused(*verdict.refusal)
        return verdict

    async def _write(self, content: Content, decision: str, outcome: str) -> None:
        await self._audit(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "principal": content.principal,
                "server": content.server,
                "tool": content.tool,
                "arguments": content.arguments_digest,
                "decision": decision,
                "outcome": outcome,
            }
        )


def unanswered(extra: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What travels with a call that a person says yes to: no answers to questions that the server did not ask yet.

    And no second name or arguments, in other letters: a server that reads names carelessly would take what nobody saw.
    """
    return extra and {key: value for key, value in extra.items() if key.casefold() not in _NOT_SHOWN}


def _packed(outcome: Mapping[str, Any]) -> str | None:
    """The text that is kept, None for one that is too large."""
    text = json.dumps(outcome)
    return text if len(text) <= MOST_KEPT else None


def _kept(row: CallRow) -> dict[str, Any]:
    kept = json.loads(row.result) if row.result is not None else {}
    if "error" in kept:
        return failure(row, kept["error"])
    result: dict[str, Any] = kept.get("result") or unkept(row)
    return result
