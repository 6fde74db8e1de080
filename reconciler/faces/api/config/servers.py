"""The members of `servers` in `GET /api/mcp-servers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.engine.project import Project
from reconciler.faces.api.seen import Seen, failure_of, listing_of, servers_of
from reconciler.model.server import Stdio


async def server_rows(project: Project) -> list[dict[str, Any]]:
    """`{"id", "name", "type", "enabled", "requireApproval", "tools", "error"}`, and `authUrl` where one signs in."""
    return [_row(project, seen) for seen in await servers_of(project)]


def _row(project: Project, seen: Seen) -> dict[str, Any]:
    server = seen.server
    row = {
        "id": server.id,
        "name": server.name,
        "type": "stdio" if isinstance(server.transport, Stdio) else "http",
        "enabled": server.enabled,
        "requireApproval": server.approval != "never",
        "tools": [_tool(server.id, tool) for tool in listing_of(project, seen).tools],
        "error": failure_of(project, seen),
    }
    address = project.sign_ins.auth_url(server.id)
    return {**row, "authUrl": address} if address else row


def _tool(server_id: str, tool: Mapping[str, Any]) -> dict[str, Any]:
    annotations = tool.get("annotations") or {}
    title = tool.get("title") or annotations.get("title")
    return {
        "id": f"{server_id}_{tool['name']}",
        "name": title if isinstance(title, str) else tool["name"],
        "description": tool.get("description") or "",
    }
