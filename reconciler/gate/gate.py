"""The one call: decide, record, forward. No face has another way to reach a tool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from reconciler.canonical import digest
from reconciler.gate.methods import class_of
from reconciler.gate.policy import Policy
from reconciler.gate.principal import Principal as Principal
from reconciler.gate.principal import Refused as Refused
from reconciler.gate.principal import Role as Role
from reconciler.gate.withheld import why_withheld
from reconciler.sessions.session import Caller, Progress

Audit: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]


class Forward(Protocol):
    """Sends a request to the serving session: server id, method, params, deadline in seconds (None: the server's)."""

    def __call__(
        self,
        server_id: str,
        method: str,
        params: Mapping[str, Any],
        timeout: float | None,
        on_progress: Progress | None,
        caller: Caller | None,
        /,
    ) -> Awaitable[dict[str, Any]]: ...


@dataclass(frozen=True)
class Gate:
    """Decides calls of one project. `policies` gives the accepted policy of a server, None for an unknown one."""

    policies: Callable[[str], Policy | None]
    forward: Forward
    audit: Audit

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
    ) -> dict[str, Any]:
        """The raw CallToolResult. Raises Refused, and whatever forwarding raises (RpcError, SessionError, NotLive).

        `extra` are further params that travel with the call.
        """
        policy = self._policy(principal, server)
        _check_offered(policy, tool)
        row = _row(principal, server, tool, arguments) if policy.answer(tool).asks else None
        if row is not None:
            await self._consent(principal, row)
        params = {**(extra or {}), "name": tool, "arguments": dict(arguments)}
        running = self.forward(server, "tools/call", params, policy.timeout(tool), on_progress, caller)
        return await (running if row is None else self._recorded(row, running))

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
        if class_of(method) != "forward":
            raise Refused("not-forwarded", f"{method} does not reach a server this way")
        check_lock(self._policy(principal, server), method, params)
        return await self.forward(server, method, params, None, on_progress, caller)

    async def _recorded(self, row: Mapping[str, Any], running: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        outcome = "failed"
        try:
            result = await running
            outcome = "error" if result.get("isError") else "done"
            return result
        except asyncio.CancelledError:
            outcome = "unknown"
            raise
        finally:
            with suppress(Exception):  # it ran: a row "started" without a successor says that nobody knows how
                await self._write(row, "owner", outcome)

    def _policy(self, principal: Principal, server: str) -> Policy:
        if principal.role == "viewer":
            raise Refused("not-allowed", f'"{principal.name}" may look and not call')
        policy = self.policies(server)
        if policy is None:
            raise Refused("unknown-server", f'no server "{server}" was applied')
        if not policy.server.enabled:
            raise Refused("disabled", f'server "{server}" is disabled')
        return policy

    async def _consent(self, principal: Principal, row: Mapping[str, Any]) -> None:
        """A call over the owner's socket is its own yes; any other call that asks is refused."""
        owns = principal.role == "owner"
        try:
            await self._write(row, *(("owner", "started") if owns else ("refused", "not run")))
        except Exception as error:
            raise Refused("not-recorded", f"the call cannot be recorded, so it does not run: {error}") from error
        if not owns:
            raise Refused(
                "needs-approval",
                f'"{row["tool"]}" of "{row["server"]}" needs approval: run '
                f"`reconciler call {row['server']} {row['tool']}` yourself, or set requireApproval in the file",
            )

    async def _write(self, row: Mapping[str, Any], decision: str, outcome: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self.audit({"at": at, **row, "decision": decision, "outcome": outcome})


def _check_offered(policy: Policy, tool: str) -> None:
    server = policy.server.id
    if not policy.offers(tool):
        raise Refused("tool-not-offered", f'"{tool}" of "{server}" is not offered: allowTools and denyTools decide')
    check_lock(policy, "tools/call", {"name": tool})


def check_lock(policy: Policy, method: str, params: Mapping[str, Any]) -> None:
    """Raises Refused for what the lock withholds; asked again right before a request goes out."""
    name = params.get("name") or params.get("uri") or params.get("ref")
    why = policy.blocked.get(name) if method == "tools/call" and isinstance(name, str) else None
    why = why or why_withheld(policy.withheld, method, params)
    if why is not None:
        raise Refused("tool-locked", f'"{name}" of "{policy.server.id}" is withheld: {why}')


def _row(principal: Principal, server: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a decision is about. Arguments without a canonical form cannot be bound to a decision."""
    try:
        bound = digest(dict(arguments))
    except (ValueError, TypeError) as error:
        raise Refused("bad-arguments", f"the arguments have no canonical form: {error}") from error
    return {"principal": principal.name, "server": server, "tool": tool, "arguments": bound}
