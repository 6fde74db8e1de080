"""The one call: decide, wait where a person is asked, record, forward. No face has another way to reach a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.gate.approvals import Approvals, Audit, not_recorded
from reconciler.gate.asking import Asking, Request, unanswered
from reconciler.gate.content import Content, canonical_arguments
from reconciler.gate.methods import class_of
from reconciler.gate.policy import Policy
from reconciler.gate.principal import Principal as Principal
from reconciler.gate.principal import Refused as Refused
from reconciler.gate.principal import Role as Role
from reconciler.gate.servers import Servers, policy_for
from reconciler.gate.turn import Patience, Turn
from reconciler.gate.withheld import check_lock
from reconciler.sessions.session import Caller, Progress, Sent, Take


class Gate:
    """Decides the calls of one project. `free` counts the calls that asked nobody, `asked` the others."""

    def __init__(self, servers: Servers, approvals: Approvals, audit: Audit, patience: Patience | None = None) -> None:
        self.approvals = approvals
        self.free = 0
        self.asked = 0
        self._servers = servers
        self._asking = Asking(servers, approvals, audit)
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
            policy = policy_for(self._servers, principal, server)
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
            request = Request(principal, Turn(on_progress, self.patience), caller, unanswered(extra))
            return await self._asking.call(content, request, own_yes=own_yes)
        self.free += 1
        params = {**extra, "name": tool, "arguments": arguments} if extra else {"name": tool, "arguments": arguments}
        return await serving.request(
            "tools/call", params, timeout=verdict.timeout, on_progress=on_progress, caller=caller
        )

    def at_once(
        self, principal: Principal, server: str, tool: str, arguments: Mapping[str, Any], caller: Caller, take: Take
    ) -> Sent | None:
        """Begin a call that asks nobody and need not wait; None for every other one, which is for `call` to decide.

        What becomes of it is told as `PipeSession.start` says.
        """
        try:
            verdict = policy_for(self._servers, principal, server).verdict(tool)
        except Refused:
            return None
        serving = self._servers.serving(server)
        if verdict.refusal is not None or verdict.asks or serving is None:
            return None
        params = {"name": tool, "arguments": arguments}
        sent = serving.start("tools/call", params, timeout=verdict.timeout, caller=caller, take=take)
        if sent is not None:
            self.free += 1
        return sent

    async def arrival(self, principal: Principal, server: str) -> None:
        """Wait for a server that is on its way, as a call of it does. Raises Refused, NotLive."""
        policy_for(self._servers, principal, server)
        await self._servers.ready(server)

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
        policy = policy_for(self._servers, principal, server)
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
        return await self._asking.follow(row, Request(principal, Turn(on_progress, self.patience), caller))
