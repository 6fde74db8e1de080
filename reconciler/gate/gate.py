"""The one call: decide, record, forward. No face has another way to reach a tool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from reconciler.canonical import digest
from reconciler.gate.policy import Policy
from reconciler.sessions.session import Progress

Role = Literal["viewer", "client", "editor", "operator", "owner"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `owner` is whoever can use the engine's local socket."""

    name: str
    role: Role


class Refused(Exception):
    """The call does not run; the message says why and what would let it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Audit: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Forward: TypeAlias = Callable[[str, Mapping[str, Any], float, Progress | None], Awaitable[dict[str, Any]]]
"""Server id, params of tools/call, deadline in seconds, progress -> raw result."""


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
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """The raw CallToolResult. Raises Refused, and whatever forwarding raises (RpcError, SessionError, NotLive)."""
        policy = self._policy(server, tool)
        asks = policy.answer(tool).asks
        row = _row(principal, server, tool, arguments)
        if asks:
            await self._consent(principal, row)
        params = {"name": tool, "arguments": dict(arguments)}
        try:
            result = await self.forward(server, params, policy.timeout(tool), on_progress)
        except BaseException:
            if asks:
                await self.audit({**row, "decision": "owner", "outcome": "failed"})
            raise
        if asks:
            outcome = "error" if result.get("isError") else "done"
            await self.audit({**row, "decision": "owner", "outcome": outcome})
        return result

    def _policy(self, server: str, tool: str) -> Policy:
        policy = self.policies(server)
        if policy is None:
            raise Refused("unknown-server", f'no server "{server}" was applied')
        if not policy.server.enabled:
            raise Refused("disabled", f'server "{server}" is disabled')
        if not policy.offers(tool):
            raise Refused("tool-not-offered", f'"{tool}" of "{server}" is not offered: allowTools and denyTools decide')
        return policy

    async def _consent(self, principal: Principal, row: Mapping[str, Any]) -> None:
        """A call over the owner's socket is its own yes; any other call that asks is refused."""
        if principal.role != "owner":
            await self.audit({**row, "decision": "refused", "outcome": "not run"})
            raise Refused(
                "needs-approval",
                f'"{row["tool"]}" of "{row["server"]}" needs approval: run '
                f"`reconciler call {row['server']} {row['tool']}` yourself, or set requireApproval in the file",
            )
        await self.audit({**row, "decision": "owner", "outcome": "started"})


def _row(principal: Principal, server: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "principal": principal.name,
        "server": server,
        "tool": tool,
        "arguments": digest(dict(arguments)),
    }
