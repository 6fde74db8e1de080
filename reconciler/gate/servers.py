"""What the gate asks of the project, anew before everything it sends."""

from __future__ import annotations

from typing import Protocol

from reconciler.gate.policy import Policy
from reconciler.gate.principal import Principal, Refused
from reconciler.sessions.instance import Instance


class Servers(Protocol):
    """What the gate asks of the project, anew before everything it sends."""

    def policy(self, server_id: str) -> Policy | None:
        """What was accepted for a server; None for an unknown one."""
        ...

    def serving(self, server_id: str) -> Instance | None:
        """The session that would take a call now."""
        ...

    async def ready(self, server_id: str) -> None:
        """Wait for a session that is on its way. Raises NotLive."""
        ...


def policy_for(servers: Servers, principal: Principal, server: str) -> Policy:
    """The policy of a server that the principal may use at all. Raises Refused."""
    if principal.role == "viewer":
        raise Refused("not-allowed", f'"{principal.name}" may look and not call')
    policy = servers.policy(server)
    if policy is None:
        raise Refused("unknown-server", f'no server "{server}" was applied')
    if not policy.server.enabled:
        raise Refused("disabled", f'server "{server}" is disabled')
    if policy.paused is not None:
        raise Refused("paused", policy.paused)
    return policy
