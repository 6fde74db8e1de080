"""The official clients of the connect dialect, unchanged: the SDK, old and new, in both layouts; the command line."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faces.api.connect.commands import SECONDS
from tests.faces.api.connect.space import DOTTED, space
from tests.needs import NETWORK
from tests.npm import Packages, packages
from tests.requirements import requirement
from tests.rig import sdk_http
from tests.rig.inside import OWN_NETWORK

pytestmark = [requirement("API-2:official-clients"), pytest.mark.needs("npm")]

CHECKOUT = Path(__file__).resolve().parents[4]
NEWEST, OLD, CLI, MCP = "@smithery/api@0.68.0", "@smithery/api@0.50.0", "@smithery/cli@4.11.1", "1.32.2"
SECRET = "a-secret-of-a-header"
AUTO_ID = r"[a-z]+-[a-z]+-[A-Za-z0-9]{4}"
UNKNOWN, DENIED, WRONG, CONFLICT = (
    ("NotFoundError", 404),
    ("PermissionDeniedError", 403),
    ("BadRequestError", 400),
    ("ConflictError", 409),
)


async def driven(found: Packages, job: dict[str, Any]) -> dict[str, Any]:
    """What the driver saw."""
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    process = await asyncio.create_subprocess_exec(found.node, str(Path(__file__).with_name("sdk.mjs")), **pipes)
    given = json.dumps({**job, "packages": str(found.folder)}).encode()
    out, err = await asyncio.wait_for(process.communicate(given), SECONDS)
    assert process.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


def check_failures(seen: dict[str, Any]) -> None:
    """Each error has the class the client knows it by, says why, and was asked for once."""
    wanted = {
        "create_namespace": CONFLICT,
        "delete_namespace": CONFLICT,
        "conflict": CONFLICT,
        "unknown": UNKNOWN,
        "elsewhere": UNKNOWN,
        "bad": WRONG,
        "writes_not": DENIED,
        "narrower": WRONG,
        "stranger": ("AuthenticationError", 401),
        "skills": UNKNOWN,
        "servers": UNKNOWN,
        "gone": UNKNOWN,
    }
    for name, (kind, status) in wanted.items():
        found = seen[name]
        assert (found["kind"], found["status"], found["requests"]) == (kind, status, 1), name
        assert set(found["body"]) == {"error", "message"}, name
    assert "watch DIR" in seen["create_namespace"]["body"]["message"]


def check_connections(seen: dict[str, Any], url: str) -> None:
    created, one = seen["created"], seen["set"]
    assert re.fullmatch(AUTO_ID, created["connectionId"])
    assert (created["name"], created["mcpUrl"], created["status"]) == (
        created["connectionId"],
        url,
        {"state": "connected"},
    )
    assert (one["connectionId"], one["name"], one["transport"]) == ("one", "Number one", "http")
    assert (one["metadata"], one["serverInfo"]) == (
        {"userId": "bob", "admin": True},
        {"name": "sample", "version": "7"},
    )
    assert seen["got"] == one
    assert seen["renamed"] == seen["same"] == {**one, "name": "The first"}
    assert seen["deleted"] == {"success": True}


def check_lists(seen: dict[str, Any]) -> None:
    made = seen["created"]["connectionId"]
    ids = sorted(["dotted", made, "one"])
    assert seen["listed"] == [ids]
    assert seen["pages"] == [[each] for each in ids]
    assert seen["by_name"] == seen["by_text"] == seen["by_two"] == [["one"]]
    assert seen["by_url"] == [sorted([made, "one"])]
    assert (seen["by_number"], seen["by_none"]) == ([[made]], [[]])


def check_mcp(seen: dict[str, Any], base: str) -> None:
    """The SDK speaks MCP through a connection, by default without a handshake."""
    for name in ("stateless", "handshake", "made", "set_up"):
        found = seen[name]
        assert (found["tools"], found["answer"]) == (["add", "count"], "5"), name
        assert found["url"] == f"{base}/connect/desk/{found['connectionId']}/mcp"
    assert (seen["stateless"]["version"], seen["handshake"]["version"]["name"]) == (None, "sample")
    assert re.fullmatch(AUTO_ID, seen["made"]["connectionId"])
    assert seen["first_namespace"] == f"{base}/connect/desk/one/mcp"


def check_tools(seen: dict[str, Any]) -> None:
    if "rpc" in seen:  # before there were tools of their own, a call was JSON-RPC
        assert seen["rpc"]["result"]["structuredContent"] == {"result": 3}
        return
    assert seen["tools"] == ["repo.search", "repo.issues.list", "other"]
    assert (seen["tool"]["name"], seen["category"]) == ("repo.search", ["repo.search", "repo.issues.list"])
    assert seen["called"] == {"content": [{"type": "text", "text": "found"}]}
    assert seen["added"]["structuredContent"] == {"result": 3}
    assert (seen["triggers"], seen["no_trigger"]["status"], seen["no_tool"]["status"]) == ([], 404, 404)


@pytest.mark.anyio
@pytest.mark.parametrize("version", [NEWEST, OLD])
@pytest.mark.parametrize("layout", ["", "/connect"])
async def test_the_official_sdk_does_all_it_can(tmp_path: Path, version: str, layout: str) -> None:
    found = packages(version, f"@modelcontextprotocol/sdk@{MCP}")
    async with sdk_http.serving() as url, space(tmp_path, {"dotted": DOTTED}) as desk:
        base, token = desk.engine.host.facts.url or "", desk.engine.token("operator")
        job = {"base": base, "connect": base + layout, "token": token, "namespace": "desk", "secret": SECRET}
        seen = await driven(found, {**job, "url": url, "other": f"{url}/elsewhere"})
        assert seen["health"]["status"] == "ok"
        assert (seen["namespaces"], seen["set_namespace"]["name"], seen["reads"]) == (["desk"], "desk", 5)
        assert seen["token"]["token"] == "rcl_"
        check_failures(seen)
        check_connections(seen, url)
        check_lists(seen)
        check_mcp(seen, base)
        check_tools(seen)
        assert SECRET not in json.dumps(seen) + desk.text


@pytest.mark.needs(NETWORK)
def test_the_official_command_line_does_all_it_can_and_goes_nowhere_else(tmp_path: Path) -> None:
    found = packages(CLI)
    words = [*OWN_NETWORK, sys.executable, "-m", "tests.faces.api.connect.commands", str(found.folder), str(tmp_path)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=4 * SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    commands = {name: value for name, value in seen.items() if isinstance(value, dict) and "exit" in value}
    ends = {name: (value["exit"], value["err"]) for name, value in commands.items()}
    assert ends == dict.fromkeys(commands, (0, ""))
    assert len(commands) == 14
    said = {name: value["out"] for name, value in commands.items()}
    assert said["namespaces"]["namespaces"] == ["desk"]
    added = said["added"]
    assert (added["connectionId"], added["name"], added["mcpUrl"]) == ("ev", "Ev", seen["url"])
    assert (added["status"], added["metadata"]) == ({"state": "connected"}, {"userId": "ada", "level": 3})
    assert said["again"] == added
    assert [each["id"] for each in said["listed"]["servers"]] == ["dotted", "ev"]
    assert [each["id"] for each in said["found"]["servers"]] == ["ev"]
    assert said["got"]["serverInfo"] == {"name": "sample", "version": "7"}
    assert [tool["name"] for tool in said["tools"]["tools"]] == ["add", "count"]
    assert said["tool"]["inputSchema"]["required"] == ["a", "b"]
    assert said["called"]["structuredContent"] == {"result": 5}
    assert said["dotted"] == {"content": [{"type": "text", "text": "found"}]}
    assert said["renamed"]["name"] == "Evan"
    assert (said["elsewhere"]["mcpUrl"], seen["moved"]["url"]) == (f"{seen['url']}/", f"{seen['url']}/")
    assert said["token"]["token"].startswith("rcl_")
    assert (said["removed"], seen["left"]) == ({"removed": ["ev"]}, ["dotted"])
    assert seen["file"]["headers"] == {"X-Api-Key": "${secret:ev.headers.X-Api-Key}"}
    assert seen["heard"] == [seen["meant"]]
