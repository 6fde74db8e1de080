"""The official command line against an engine of ours, on a machine where every name and address is ours.

Started in a network of its own (`tests.rig.inside.OWN_NETWORK`) with the folder of the packages and one to work in;
prints one line of JSON: what each command printed, what the file said after some of them, and where packets went.
A server at a loopback address would be paired over a socket; one under another name is reached over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.faces.api.connect.space import DOTTED, Space, space
from tests.npm import Packages
from tests.rig import sdk_http
from tests.rig.inside import Inside

NAME, ADDRESS = "mcp.example.com", "198.51.100.7"
SECONDS = 60


class Commands:
    """`smithery`, as whoever has the token."""

    def __init__(self, packages: Packages, folder: Path, url: str, token: str) -> None:
        self._program = [packages.node, str(packages.inside("@smithery/cli", "dist", "index.js")), "--json"]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SMITHERY_BASE_URL": url,
            "SMITHERY_API_KEY": token,
            "SMITHERY_CONFIG_PATH": str(folder / "smithery"),
        }

    async def run(self, *words: str) -> dict[str, Any]:
        """How a command ended and what it printed, JSON where it is some."""
        pipes: Any = dict.fromkeys(("stdout", "stderr"), asyncio.subprocess.PIPE)
        program, *first = self._program
        process = await asyncio.create_subprocess_exec(
            program, *first, *words, env=self._environment, stdin=asyncio.subprocess.DEVNULL, **pipes
        )
        out, err = await asyncio.wait_for(process.communicate(), SECONDS)
        return {"exit": process.returncode, "out": _value(out.decode()), "err": err.decode()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def main(folder: Path, packages: Packages, inside: Inside) -> dict[str, Any]:
    async with sdk_http.serving(host="0.0.0.0") as server, space(folder, {"dotted": DOTTED}) as desk:
        engine = desk.engine
        commands = Commands(packages, folder, engine.host.facts.url or "", engine.token("operator"))
        url = f"http://{NAME}:{urlsplit(server).port}/mcp"
        inside.heard()
        seen = await drive(commands, desk, url)
        heard = [goal for goal in inside.heard() if not goal.startswith("127.0.0.1:")]
        return {**seen, "url": url, "heard": heard, "meant": f"{ADDRESS}:{urlsplit(server).port}"}


async def drive(commands: Commands, desk: Space, url: str) -> dict[str, Any]:
    """Every command that talks to the dialect, each as its name says."""
    run, add = commands.run, ("mcp", "add", url, "--id", "ev", "--name", "Ev")
    given = ("--metadata", '{"userId": "ada", "level": 3}', "--headers", '{"X-Api-Key": "a-secret-of-a-header"}')
    return {
        "namespaces": await run("namespace", "list"),
        "added": await run(*add, *given),
        "again": await run(*add),
        "file": desk.servers["ev"],
        "listed": await run("mcp", "list"),
        "found": await run("mcp", "list", "--metadata", '{"level": 3}'),
        "got": await run("mcp", "get", "ev"),
        "tools": await run("tool", "list", "ev"),
        "tool": await run("tool", "get", "ev", "add"),
        "called": await run("tool", "call", "ev", "add", '{"a": 2, "b": 3}'),
        "dotted": await run("tool", "call", "dotted", "repo.search", "{}"),
        "renamed": await run("mcp", "update", "ev", "--name", "Evan"),
        "elsewhere": await run("mcp", "add", f"{url}/", "--id", "ev", "--force"),
        "moved": desk.servers["ev"],
        "token": await run("auth", "token", "--policy", '{"namespaces": "desk", "operations": "read", "ttl": "5m"}'),
        "removed": await run("mcp", "remove", "ev"),
        "left": list(desk.servers),
    }


if __name__ == "__main__":
    with Inside({NAME: [[ADDRESS]]}) as around:
        print(json.dumps(asyncio.run(main(Path(sys.argv[2]), Packages(Path(sys.argv[1])), around))))
