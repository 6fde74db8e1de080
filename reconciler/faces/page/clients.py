"""`/ui/clients`: what to paste into which client so that it finds the gateway. No token is ever shown here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from reconciler.engine.project import Project
from reconciler.faces.api.hosted import host_of, project_of
from reconciler.faces.http.client_entries import bridge_entry, endpoint_entry, endpoint_url, whose
from reconciler.faces.page.view import Page, view_route

VARIABLE = "RECONCILER_TOKEN"
"""What the snippets call the token, where a client can read it from its environment."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """What one client wants: `where` it stands, and the `text`. `note` is what else has to be done."""

    id: str
    client: str
    where: str
    text: str
    note: str = ""


def routes() -> list[BaseRoute]:
    """The one address."""
    return [view_route("/clients", clients)]


async def clients(request: Request) -> Page:
    """The address, the bridge, where a token comes from, and the snippets."""
    project, host = project_of(request), host_of(request)
    engine = host.facts.url
    url = endpoint_url(engine, project.name, root=project is host.root) if engine else None
    bridge = _bridge(project)
    show = shlex.join(["reconciler", "token", "show", "--role", "client", *_whose(project)])
    values = {
        "url": url,
        "show_token": show,
        "export": f'export {VARIABLE}="$({show})"',
        "bridge": shlex.join([bridge["command"], *bridge["args"]]),
        "direct": list(_direct(url)) if url else [],
        "bridged": list(_bridged(bridge)),
        "variable": VARIABLE,
    }
    return Page("clients/clients.html", "Clients", values=values)


def _direct(url: str) -> Iterator[Snippet]:
    """Clients that speak HTTP. Their forms are those of docs/gateway.md."""
    add = shlex.join(["claude", "mcp", "add", "--transport", "http", "reconciler", url])
    add = f'{add} --header "Authorization: Bearer ${VARIABLE}"'
    yield Snippet("claude-code", "Claude Code", "a shell", add, "The client keeps the token in its own file then.")
    project = _json("mcpServers", endpoint_entry(url, f"Bearer ${{{VARIABLE}}}"))
    yield Snippet("claude-project", "Claude Code, for a project", ".mcp.json", project)
    yield Snippet("vs-code", "VS Code", ".vscode/mcp.json", _vs_code(url), "It asks for the token once.")
    headers = {"Authorization": f"Bearer ${{env:{VARIABLE}}}"}
    yield Snippet("cursor", "Cursor", ".cursor/mcp.json", _json("mcpServers", {"url": url, "headers": headers}))
    windsurf = _json("mcpServers", {"serverUrl": url, "headers": headers})
    yield Snippet("windsurf", "Windsurf", "~/.codeium/windsurf/mcp_config.json", windsurf)
    yield Snippet("codex", "Codex", "~/.codex/config.toml", _codex(url))
    gemini = _json("mcpServers", {"httpUrl": url, "headers": {"Authorization": "Bearer TOKEN"}})
    yield Snippet("gemini", "Gemini CLI", "~/.gemini/settings.json", gemini, "TOKEN stands for the token itself.")
    headers = {"Authorization": f"Bearer {{env:{VARIABLE}}}"}
    opencode = _json("mcp", {"type": "remote", "url": url, "headers": headers})
    yield Snippet("opencode", "opencode", "opencode.json", opencode)


def _bridged(bridge: dict[str, Any]) -> Iterator[Snippet]:
    """Clients that start programs."""
    desktop = "claude_desktop_config.json"
    yield Snippet("claude-desktop", "Claude Desktop", desktop, _json("mcpServers", bridge))
    yield Snippet("zed", "Zed", "~/.config/zed/settings.json", _json("context_servers", bridge))
    yield Snippet("others", "Any other client", "its list of servers", _json("mcpServers", bridge))


def _json(key: str, entry: object, **beside: object) -> str:
    return json.dumps({**beside, key: {"reconciler": entry}}, indent=2, ensure_ascii=False)


def _vs_code(url: str) -> str:
    asked = {"type": "promptString", "id": "token", "description": "reconciler token", "password": True}
    return _json("servers", endpoint_entry(url, "Bearer ${input:token}"), inputs=[asked])


def _codex(url: str) -> str:
    return "\n".join(
        (
            "[mcp_servers.reconciler]",
            f"url = {json.dumps(url)}",
            f"bearer_token_env_var = {json.dumps(VARIABLE)}",
            "tool_timeout_sec = 120",
        )
    )


def _bridge(project: Project) -> dict[str, Any]:
    return bridge_entry(project.sources.main.absolute(), project.state.path.parent.absolute())


def _whose(project: Project) -> list[str]:
    return whose(project.sources.main.absolute(), project.state.path.parent.absolute())
