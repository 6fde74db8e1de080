"""The clients that others wrote, and how each is driven: all of them look at everything and make the same calls.

A driver answers what was seen: tools, prompts, resources, the answers of the calls and how much of a resource it read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tests.npm import Packages, packages
from tests.real.running import Engine

INSPECTOR = "@modelcontextprotocol/inspector"
V1, V2 = "@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0"
INSPECTED = f"{INSPECTOR}@2.12.0"
FASTMCP = "fastmcp==4.1.2"
CLAUDE = "@anthropic-ai/claude-code@2.1.328"
DRIVERS = Path(__file__).parent / "drivers"
SECONDS = 120

Calls: TypeAlias = Sequence[tuple[str, Mapping[str, Any]]]
Command: TypeAlias = Callable[[], Sequence[str]]
Through: TypeAlias = Literal["HTTP", "bridge", "HTTP, bridge"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw. None where it has no way to look."""

    tools: Sequence[str]
    prompts: Sequence[str] | None = None
    resources: Sequence[str] | None = None
    answers: Sequence[str] = ()
    read: int | None = None
    protocol: str | None = None


Drive: TypeAlias = Callable[[Engine, Calls], Seen]


@dataclass(frozen=True, slots=True)
class RealClient:
    """`through` is how it reaches us; `protocol` the revision it is to agree on, None where it does not say.

    `asked` are those that can be asked by a server. `short` ones take part in CI.
    """

    id: str
    what: str
    through: Through
    protocol: str | None
    drive: Drive = field(repr=False)
    short: bool = False
    asked: bool = False


@cache
def npm() -> Packages:
    return packages(V1, V2, INSPECTED)


def _job(engine: Engine, calls: Calls, through: str) -> dict[str, Any]:
    job: dict[str, Any] = {"packages": str(npm().folder), "calls": calls}
    reached = {"url": f"{engine.address}/mcp", "token": engine.token}
    return {**job, **(reached if through == "HTTP" else {"command": engine.bridge})}


def _run(command: Sequence[str], engine: Engine, given: str = "", **variables: str) -> str:
    """What a program prints. Raises RuntimeError when it fails."""
    done = subprocess.run(
        command,
        cwd=engine.folder,
        env={**engine.environment, **variables},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def _driven(command: Callable[[], Sequence[str]], through: Through) -> Callable[[Engine, Calls], Seen]:
    def drive(engine: Engine, calls: Calls) -> Seen:
        printed = _run(command(), engine, json.dumps(_job(engine, calls, through)))
        return Seen(**json.loads(printed))

    return drive


def _typescript(sdk: str, mode: str) -> Command:
    return lambda: [npm().node, str(DRIVERS / "typescript.mjs"), sdk, mode]


def _python(mode: str) -> Command:
    return lambda: [sys.executable, str(DRIVERS / "python_sdk.py"), mode]


def _fastmcp() -> Sequence[str]:
    uv = shutil.which("uv") or "uv"
    words = ["run", "--isolated", "--no-project", "--with", FASTMCP, "python", str(DRIVERS / "fastmcp_client.py")]
    return [uv, *words]


def _inspector(through: Through) -> Drive:
    def drive(engine: Engine, calls: Calls) -> Seen:
        def ask(method: str, *words: str) -> Any:
            return json.loads(_run([*_inspecting(engine, through), "--method", method, *words], engine, **_with_node()))

        answers = [ask("tools/call", "--tool-name", name, *_pairs(given)) for name, given in calls]
        resources = [found["uri"] for found in ask("resources/list")["resources"]]
        return Seen(
            tools=[found["name"] for found in ask("tools/list")["tools"]],
            prompts=[found["name"] for found in ask("prompts/list")["prompts"]],
            resources=resources,
            answers=["\n".join(block.get("text", block["type"]) for block in each["content"]) for each in answers],
            read=len(ask("resources/read", "--uri", resources[0])["contents"]) if resources else 0,
        )

    return drive


def _inspecting(engine: Engine, through: str) -> list[str]:
    inspector = str(npm().folder / "node_modules" / ".bin" / "mcp-inspector")
    if through == "HTTP":
        token = f"Authorization: Bearer {engine.token}"
        return [inspector, "--cli", f"{engine.address}/mcp", "--transport", "http", "--header", token]
    servers = {"bridge": {"command": engine.bridge[0], "args": engine.bridge[1:], "env": dict(engine.environment)}}
    file = engine.folder / "inspector.json"
    file.write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
    return [inspector, "--cli", "--config", str(file), "--server", "bridge"]


def _pairs(given: Mapping[str, Any]) -> list[str]:
    return [word for name, value in given.items() for word in ("--tool-arg", f"{name}={value}")]


def _with_node() -> dict[str, str]:
    """The Inspector wants a Node.js newer than the machine's may be."""
    return {"PATH": f"{npm().folder / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"}


def _claude(engine: Engine, calls: Calls) -> Seen:
    """Claude Code without an account: it connects and says so. Its settings are in the engine's folder."""
    claude = str(packages(CLAUDE).folder / "node_modules" / ".bin" / "claude")
    home = {"HOME": str(engine.folder), "CLAUDE_CONFIG_DIR": str(engine.folder / "claude"), **_with_node()}
    token = f"Authorization: Bearer {engine.token}"
    words = ["mcp", "add", "--transport", "http", "reconciler", f"{engine.address}/mcp", "--header", token]
    _run([claude, *words], engine, **home)
    bridge = [claude, "mcp", "add", "bridge", "--", *engine.bridge]
    _run(bridge, engine, **home)
    listed = _run([claude, "mcp", "list"], engine, **home)
    for name in ("reconciler", "bridge"):
        if not re.search(rf"^{name}: .*Connected", listed, re.MULTILINE):
            raise RuntimeError(f"claude mcp list says: {listed}")
    return Seen(tools=())


OLD, NEW = "2025-11-25", "2026-07-28"


def _sdks(through: Through, prefix: str, short: Collection[str]) -> Iterator[RealClient]:
    """Clients on the SDKs, each in both eras where it speaks both."""
    said = OLD if through == "HTTP" else None
    for name, what, protocol, command in (
        ("python-old", "Python SDK 2.3, `legacy`", OLD, _python("legacy")),
        ("python-new", "Python SDK 2.3, `auto`", NEW, _python("auto")),
        ("typescript-1", V1, said, _typescript("v1", "legacy")),
        ("typescript-2-old", f"{V2}, `legacy`", OLD, _typescript("v2", "legacy")),
        ("typescript-2", f"{V2}, `auto`", NEW, _typescript("v2", "auto")),
    ):
        drive = _driven(command, through)
        yield RealClient(prefix + name, what, through, protocol, drive, short=name in short, asked=True)


CLIENTS: tuple[RealClient, ...] = (
    *(_sdks("HTTP", "", short=("python-old", "python-new", "typescript-1", "typescript-2"))),
    RealClient("inspector", f"{INSPECTED}, `--cli`", "HTTP", None, _inspector("HTTP"), short=True),
    RealClient("fastmcp", FASTMCP, "HTTP", NEW, _driven(_fastmcp, "HTTP")),
    RealClient("claude-code", f"{CLAUDE}, `mcp list`", "HTTP, bridge", None, _claude),
    *(_sdks("bridge", "bridge-", short=("typescript-1", "python-new"))),
    RealClient("bridge-inspector", f"{INSPECTED}, `--cli`", "bridge", None, _inspector("bridge")),
    RealClient("bridge-fastmcp", FASTMCP, "bridge", NEW, _driven(_fastmcp, "bridge")),
)
