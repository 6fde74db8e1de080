"""The one call: decide, wait where a person is asked, record, forward. No face has another way to reach a tool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from reconciler.gate.approvals import Approvals, Audit, not_recorded
from reconciler.gate.content import Content, canonical_arguments, read_canonical
from reconciler.gate.methods import class_of
from reconciler.gate.policy import Policy, Verdict
from reconciler.gate.principal import Principal as Principal
from reconciler.gate.principal import Refused as Refused
from reconciler.gate.principal import Role as Role
from reconciler.gate.showing import failure, parked, unkept, why_not
from reconciler.gate.turn import Patience, Turn
from reconciler.gate.withheld import check_lock
from reconciler.model.server import Server
from reconciler.sessions.hub import NotLive
from reconciler.sessions.rounds import in_rounds
from reconciler.sessions.session import Caller, Progress
from reconciler.store.approval_rows import CallRow, State

MOST_KEPT = 1024 * 1024
"""Characters of a result that is kept for whoever comes back for it."""


class Serving(Protocol):
    """A session that serves, as the gate needs it (sessions.hub.Instance)."""

    server: Server

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]: ...


class Servers(Protocol):
    """What the gate asks of the project, anew before everything it sends."""

    def policy(self, server_id: str) -> Policy | None:
        """What was accepted for a server; None for an unknown one."""
        ...

    def serving(self, server_id: str) -> Serving | None:
        """The session that would take a call now."""
        ...

    async def ready(self, server_id: str) -> None:
        """Wait for a session that is on its way. Raises NotLive."""
        ...


class Gate:
    """Decides the calls of one project. `free` counts the calls that asked nobody, `asked` the others."""

    def __init__(self, servers: Servers, approvals: Approvals, audit: Audit, patience: Patience | None = None) -> None:
        self.approvals = approvals
        self.free = 0
        self.asked = 0
        self._servers = servers
        self._audit = audit
        self.patience = patience or Patience()

    async def call(
        self,
        principal: Principal,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
        extra: Mapping[str, Any] | None = None,
        own_yes: bool = False,
    ) -> dict[str, Any]:
        """The raw CallToolResult. Raises Refused, and whatever forwarding raises (RpcError, SessionError, NotLive).

        `extra` are further params that travel with the call. `own_yes`: a person who may approve makes this very call.
        A call that asks and has no answer yet comes back as a result that says how to go on (`showing.parked`).
        """
        while True:
            policy = self._policy(principal, server)
            verdict = policy.verdict(tool)
            if verdict.refusal is not None:
                raise Refused(*verdict.refusal)
            serving = self._servers.serving(server)
            if serving is not None:
                break
            await self._servers.ready(server)  # after a wait everything is asked again
        if verdict.asks:
            self.asked += 1
            name = principal.name
            text = canonical_arguments(arguments)
            content = Content(name, server, serving.server.spec, policy.tools.get(tool, ""), tool, text)
            request = _Request(principal, Turn(on_progress, self.patience), caller, _unanswered(extra))
            return await self._with_consent(content, request, own_yes)
        self.free += 1
        params = {**extra, "name": tool, "arguments": arguments} if extra else {"name": tool, "arguments": arguments}
        return await serving.request(
            "tools/call", params, timeout=verdict.timeout, on_progress=on_progress, caller=caller
        )

    async def ask(
        self,
        principal: Principal,
        server: str,
        method: str,
        params: Mapping[str, Any],
        *,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """The raw result of a request other than a call. Raises as `call` does."""
        while True:
            policy = self.check(principal, server, method, params)
            serving = self._servers.serving(server)
            if serving is not None:
                break
            await self._servers.ready(server)  # after a wait everything is asked again
        seconds = policy.server.timeouts.call
        return await serving.request(method, params, timeout=seconds, on_progress=on_progress, caller=caller)

    def check(self, principal: Principal, server: str, method: str, params: Mapping[str, Any]) -> Policy:
        """The policy under which a request other than a call may reach a server. Raises Refused where it may not."""
        if class_of(method) != "forward":
            raise Refused("not-forwarded", f"{method} does not reach a server this way")
        policy = self._policy(principal, server)
        check_lock(policy.withheld, server, method, params)
        return policy

    async def result(
        self,
        principal: Principal,
        call_id: str,
        *,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """The result of a call of the same principal that waited, once there is one. Raises as `call` does.

        It waits like the call itself, and it runs the call when that was allowed meanwhile.
        """
        try:
            row = await self.approvals.get(call_id)
        except Exception as error:
            raise not_recorded(error) from error
        if principal.role == "viewer" or row is None or row.principal != principal.name:
            raise Refused("unknown-call", f"no call {call_id} is known (any more)")
        return await self._follow(row, _Request(principal, Turn(on_progress, self.patience), caller, None))

    async def _with_consent(self, content: Content, request: _Request, own_yes: bool) -> dict[str, Any]:
        role = request.principal.role
        if role == "owner" or (own_yes and role == "operator"):
            return await self._recorded(content, role, request)
        if self.approvals.granted(content):
            return await self._recorded(content, "session", request)
        return await self._follow(await self.approvals.hold(content), request)

    async def _recorded(self, content: Content, decision: str, request: _Request) -> dict[str, Any]:
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

    async def _follow(self, row: CallRow, request: _Request) -> dict[str, Any]:
        """Wait for what becomes of a row, and be the one who runs it where that falls to us."""
        turn = request.turn
        with self.approvals.listening(row.id) as changed:
            async with turn.asking(self.approvals, row, request.caller, changed):
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
            fresh = await self.approvals.get(row.id)
        except Exception as error:
            raise not_recorded(error) from error
        if fresh is None:
            raise Refused("expired", f"{row.id} is not known any more")
        return fresh

    async def _run(self, row: CallRow, request: _Request) -> dict[str, Any] | None:
        """Run an allowed call, once: None when somebody else does, or when it is not allowed any more."""
        if self._servers.serving(row.server) is None:
            await self._servers.ready(row.server)
        self._allowed(request.principal, row.server, row.tool)
        if self.approvals.changed(row) is not None:
            return None  # a second look closes the row, with the reason
        claimed = await self.approvals.claim(row)
        if claimed is None:
            return None
        return await self._finished(claimed, request)

    async def _finished(self, row: CallRow, request: _Request) -> dict[str, Any]:
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
                await self.approvals.finish(row, state, outcome, kept, reason)

    async def _send(self, content: Content, request: _Request, *, bound: bool) -> dict[str, Any]:
        """What was approved is what is sent, again with the answers where the server asks: one call, one yes."""
        params = {**(request.extra or {}), "name": content.tool, "arguments": read_canonical(content.arguments)}

        async def send(params: Mapping[str, Any]) -> dict[str, Any]:
            return await self._send_once(content, request, params, bound=bound)

        return await (in_rounds(send, request.caller.ask, params) if request.caller else send(params))

    async def _send_once(
        self, content: Content, request: _Request, params: Mapping[str, Any], *, bound: bool
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
        verdict = self._policy(principal, server).verdict(tool)
        if verdict.refusal is not None:
            raise Refused(*verdict.refusal)
        return verdict

    def _policy(self, principal: Principal, server: str) -> Policy:
        if principal.role == "viewer":
            raise Refused("not-allowed", f'"{principal.name}" may look and not call')
        policy = self._servers.policy(server)
        if policy is None:
            raise Refused("unknown-server", f'no server "{server}" was applied')
        if not policy.server.enabled:
            raise Refused("disabled", f'server "{server}" is disabled')
        return policy

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


class _Request:
    """What a caller brings: who it is, its wait, and what travels with the call."""

    __slots__ = ("caller", "extra", "principal", "turn")

    def __init__(
        self, principal: Principal, turn: Turn, caller: Caller | None, extra: Mapping[str, Any] | None
    ) -> None:
        self.principal = principal
        self.turn = turn
        self.caller = caller
        self.extra = extra


def _unanswered(extra: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What travels with a call that a person says yes to: no answers to questions that the server did not ask yet."""
    return extra and {key: value for key, value in extra.items() if key not in ("inputResponses", "requestState")}


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
