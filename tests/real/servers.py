"""The real servers of the campaign: how each is started, how many tools it lists, and a call that needs no internet.

Tool counts are those that a client sees which declares elicitation and sampling and nothing else, as we do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Era = Literal["handshake", "stateless"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and a text that its answer holds."""

    tool: str
    answer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Real:
    """A server as it is written in the file, and what is known of it.

    `call` is None where every tool wants the internet or a browser. `short` servers take part in the short campaign.
    """

    id: str
    written: Mapping[str, Any]
    tools: int
    era: Era
    call: Call | None
    short: bool = False


def npx(*arguments: str) -> dict[str, Any]:
    return {"command": "npx", "args": ["-y", *arguments]}


def uvx(*arguments: str, **fields: Any) -> dict[str, Any]:
    return {"command": "uvx", "args": [*arguments], **fields}


HERE = "${workspaceFolder}"
OLD_SDK = ("--with", "mcp<2")
"""Servers that do not start with the second version of the Python SDK and do not say so."""

_ECHO = Call("echo", "hello", {"message": "hello"})
_THOUGHT = {"thought": "one", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}
_PROGRAM = {"code": "console.log(6 * 7)", "languageId": "javascript"}
_AWS = "awslabs-aws-documentation-mcp-server"

REAL: tuple[Real, ...] = (
    Real("everything", npx("@modelcontextprotocol/server-everything"), 16, "handshake", _ECHO, short=True),
    Real(
        "filesystem",
        npx("@modelcontextprotocol/server-filesystem", f"{HERE}/files"),
        14,
        "handshake",
        Call("list_allowed_directories", "files"),
    ),
    Real(
        "memory",
        npx("@modelcontextprotocol/server-memory"),
        9,
        "handshake",
        Call("read_graph", "entities"),
        short=True,
    ),
    Real(
        "sequential-thinking",
        npx("@modelcontextprotocol/server-sequential-thinking"),
        1,
        "handshake",
        Call("sequentialthinking", "thoughtHistoryLength", _THOUGHT),
    ),
    Real("hello-world", npx("mcp-hello-world"), 3, "handshake", _ECHO),
    Real("code-runner", npx("mcp-server-code-runner"), 1, "handshake", Call("run-code", "42", _PROGRAM)),
    Real(
        "git-npm",
        npx("@cyanheads/git-mcp-server"),
        28,
        "handshake",
        Call("git_status", "currentBranch", {"path": "{folder}/checkout"}),
    ),
    Real("n8n", npx("n8n-mcp"), 7, "handshake", Call("tools_documentation", "n8n")),
    Real("context7", npx("@upstash/context7-mcp"), 2, "stateless", None),
    Real("chart", npx("@antv/mcp-server-chart"), 27, "handshake", None),
    Real("drawio", npx("@drawio/mcp"), 7, "handshake", None),
    Real("playwright", npx("@playwright/mcp", "--headless"), 25, "handshake", None),
    Real(
        "time",
        uvx("mcp-server-time", "--local-timezone", "UTC"),
        2,
        "stateless",
        Call("get_current_time", "UTC", {"timezone": "UTC"}),
        short=True,
    ),
    Real(
        "git",
        uvx("mcp-server-git", "--repository", f"{HERE}/checkout"),
        12,
        "stateless",
        Call("git_status", "branch", {"repo_path": "{folder}/checkout"}),
    ),
    Real(
        "fetch",
        uvx("mcp-server-fetch", "--allow-private-ips"),
        1,
        "stateless",
        Call("fetch", "a page", {"url": "{page}"}),
    ),
    Real(
        "sqlite",
        uvx(*OLD_SDK, "mcp-server-sqlite", "--db-path", f"{HERE}/files/campaign.db"),
        6,
        "handshake",
        Call("list_tables", "[]"),
    ),
    Real(
        "excel",
        uvx("excel-mcp-server", "stdio"),
        46,
        "stateless",
        Call("create_workbook", "campaign.xlsx", {"path": "{folder}/files/campaign.xlsx"}),
    ),
    Real(
        "arxiv",
        uvx("arxiv-mcp-server", "--storage-path", f"{HERE}/files"),
        19,
        "handshake",
        Call("list_papers", "total_papers"),
    ),
    Real(
        "shell",
        uvx("mcp-shell-server", env={"ALLOW_COMMANDS": "ls,cat"}),
        1,
        "handshake",
        Call("shell_execute", "checkout", {"command": ["ls"], "directory": "{folder}"}),
    ),
    Real(
        "calculator",
        uvx("mcp-server-calculator"),
        1,
        "handshake",
        Call("calculate", "42", {"expression": "6 * 7"}),
    ),
    Real("timeserver", uvx("mcp-simple-timeserver"), 6, "handshake", Call("get_local_time", "Time")),
    Real("dice", uvx(*OLD_SDK, "mcp-dice"), 1, "handshake", Call("roll_dice", "2d6", {"notation": "2d6"})),
    Real("duckduckgo", uvx("duckduckgo-mcp-server"), 3, "stateless", None),
    Real("aws-docs", uvx("--from", _AWS, "awslabs.aws-documentation-mcp-server"), 5, "stateless", None),
)

REMOTE: tuple[Real, ...] = (
    Real("everything-http", {"url": "{http}"}, 16, "handshake", _ECHO),
    Real("everything-sse", {"type": "sse", "url": "{sse}"}, 16, "handshake", _ECHO),
)
"""The same program listening: started by the campaign, not by the engine."""
