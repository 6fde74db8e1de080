"""`reconciler bridge` as a client starts it, with and without an engine that runs."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import ElicitResult

from tests.faces.cli.desk import COMMAND, Desk, light
from tests.requirements import requirement

pytestmark = requirement("GATE-1:bridge")
ERAS = ["legacy", "auto"]
WATCHED = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules, file=sys.stderr))
from reconciler.faces.cli.main import main
main()
"""
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def test_a_bridge_that_starts_the_engine_lists_what_comes_up_within_a_moment(desk: Desk) -> None:
    with desk.applied({f"s{number}": slow(f"s{number}") for number in range(3)}):
        assert desk.process("stop").exit == 0
        requests = [
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        ]
        with desk.spawn("bridge", stdin=subprocess.PIPE) as bridge:
            said, _ = bridge.communicate("".join(json.dumps(request) + "\n" for request in requests))
        [listed] = [answer for answer in map(json.loads, said.splitlines()) if answer.get("id") == 2]
        servers = {tool["name"].partition("__")[0] for tool in listed["result"]["tools"]}
        assert servers - {"reconciler"} == {"s0", "s1", "s2"}


REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}


def greeted(desk: Desk, *arguments: str) -> tuple[int, Any, str]:
    """Exit code, answer and standard error of a bridge whose client says one thing and leaves."""
    with desk.spawn("bridge", *arguments, stdin=subprocess.PIPE) as bridge:
        said, errors = bridge.communicate(json.dumps(REQUEST) + "\n")
    lines = said.splitlines()
    return bridge.returncode, json.loads(lines[0]) if lines else None, errors


def pid(desk: Desk) -> int:
    """The engine that runs."""
    return int(desk.process("status", "-o", "json").json["engine"]["pid"])


def test_an_engine_that_a_bridge_started_lives_on_and_is_the_only_one(desk: Desk) -> None:
    with desk.applied({"one": light("one")}, defaults={"requireApproval": False}):
        assert desk.process("stop").exit == 0
        with ExitStack() as open_ones:
            bridges = [open_ones.enter_context(desk.spawn("bridge", stdin=subprocess.PIPE)) for _ in range(3)]
            for bridge in bridges:
                assert bridge.stdin
                bridge.stdin.write(json.dumps(REQUEST) + "\n")
                bridge.stdin.flush()
            for bridge in bridges:
                assert bridge.stdout
                assert json.loads(bridge.stdout.readline())["result"]["protocolVersion"] == "2025-11-25"
            engine = pid(desk)
            for bridge in bridges:
                bridge.send_signal(signal.SIGTERM)
            assert [bridge.wait(10) for bridge in bridges] == [0, 0, 0]
        assert pid(desk) == engine
        assert desk.process("call", "one", "echo", '{"text": "there"}').out == "there\n"


def test_a_bridge_to_one_server_or_one_group_offers_that_alone(desk: Desk) -> None:
    servers = {"one": light("one", group="a"), "two": light("two")}
    with desk.applied(servers, groups={"a": {}}, defaults={"requireApproval": False}):
        ask = [REQUEST, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]
        names = {}
        for arguments in (("--server", "two"), ("--group", "a"), ()):
            with desk.spawn("bridge", *arguments, stdin=subprocess.PIPE) as bridge:
                said, _ = bridge.communicate("".join(json.dumps(request) + "\n" for request in ask))
            listed = next(answer for answer in map(json.loads, said.splitlines()) if answer.get("id") == 2)
            names[arguments] = {tool["name"].removesuffix("echo") for tool in listed["result"]["tools"]}
        assert "" in names["--server", "two"]
        assert "one__" in names["--group", "a"] and "two__" not in names["--group", "a"]
        assert {"one__", "two__"} <= names[()]


def test_a_bridge_that_cannot_begin_says_why_on_standard_error_and_nothing_else(desk: Desk) -> None:
    code, answer, errors = greeted(desk)
    assert (code, answer, "no reconciler.yaml was found" in errors) == (3, None, True)
    desk.write({"one": light("one")})
    code, answer, errors = greeted(desk, "--server", "one", "--group", "two")
    assert (code, answer, "not both" in errors) == (64, None, True)


def test_an_unknown_server_is_an_error_answer(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        code, answer, _ = greeted(desk, "--server", "nobody")
        assert (code, "nobody" in answer["error"]["message"]) == (0, True)


def test_a_bridge_loads_neither_protocol_nor_parser_nor_engine(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        command = [sys.executable, "-c", WATCHED, "bridge"]
        done = subprocess.run(
            command, cwd=desk.folder, input=json.dumps(REQUEST) + "\n", capture_output=True, text=True, check=True
        )
    assert json.loads(done.stdout)["id"] == 1
    modules = set(done.stderr.splitlines()[-1].split()[1:])
    heavy = {"mcp", "mcp_types", "pydantic", "yaml", "anyio", "http.client", "rich", "uvicorn", "starlette", "httpx2"}
    assert modules & heavy == set()
    assert not any(name.startswith("reconciler.engine") for name in modules)


@asynccontextmanager
async def connected(desk: Desk, era: Any, *arguments: str, **callbacks: Any) -> AsyncIterator[Client]:
    """The SDK's client on a bridge's standard input and output."""
    where = ["--state-dir", str(desk.folder.parent / "state"), "-f", str(desk.file)]
    parameters = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "bridge", *where, *arguments])
    with anyio.fail_after(60):
        async with Client(parameters, mode=era, read_timeout_seconds=40, **callbacks) as client:
            yield client


def restart(desk: Desk) -> None:
    """Another engine."""
    assert desk.process("stop").exit == 0
    assert desk.process("apply", "--auto-approve").exit == 0


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_the_sdk_s_client_goes_on_across_a_restart_of_the_engine(desk: Desk, era: str) -> None:
    with desk.applied({"one": light("one")}, defaults={"requireApproval": False}):
        heard: list[str] = []

        async def hear(message: Any) -> None:
            heard.append(type(message).__name__)

        async with connected(desk, era, message_handler=hear) as client:
            assert "one__echo" in {tool.name for tool in (await client.list_tools()).tools}
            large = "x" * 1_000_000
            assert (await client.call_tool("one__echo", {"text": large})).content[0].text == large  # type: ignore[union-attr]
            async with anyio.create_task_group() as tasks:
                failures: list[MCPError] = []

                async def sleep() -> None:
                    try:
                        await client.call_tool("one__sleep", {"ms": 600_000})
                    except MCPError as error:
                        failures.append(error)

                tasks.start_soon(sleep)
                await client.call_tool("one__echo", {"text": "beside"})
                before = await anyio.to_thread.run_sync(pid, desk)
                await anyio.to_thread.run_sync(restart, desk)
            assert await anyio.to_thread.run_sync(pid, desk) != before
            assert len(failures) == 1
            result = await client.call_tool("one__echo", {"text": "again"})
            assert result.content[0].text == "again"  # type: ignore[union-attr]
            if era == "legacy":
                assert "ToolListChangedNotification" in heard


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_server_s_question_comes_through_the_bridge(desk: Desk, era: str) -> None:
    async def decline(_context: Any, _params: Any) -> Any:
        return ElicitResult(action="decline")

    with desk.applied({"one": light("one")}, defaults={"requireApproval": False}):
        async with connected(desk, era, elicitation_callback=decline) as client:
            result = await client.call_tool("one__ask", {"text": "really?"})
            assert json.loads(result.content[0].text)["answer"] == {"action": "decline"}  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_what_asks_for_approval_asks_whoever_comes_over_the_bridge_as_over_http(desk: Desk) -> None:
    with desk.applied({"one": light("one")}, defaults={"requireApproval": True}):
        async with connected(desk, "auto") as client, anyio.create_task_group() as tasks:
            texts: list[str] = []

            async def call() -> None:
                result = await client.call_tool("one__echo", {"text": "asked"})
                texts.append(result.content[0].text)  # type: ignore[union-attr]

            tasks.start_soon(call)
            [waiting] = await anyio.to_thread.run_sync(waiting_calls, desk)
            assert (waiting["principal"], waiting["tool"]) == ("client", "echo")
            done = await anyio.to_thread.run_sync(desk.process, "approve", waiting["id"])
            assert done.exit == 0, done.err
        assert texts == ["asked"]


def waiting_calls(desk: Desk) -> list[Any]:
    """The calls that wait, once there is one."""
    with desk.spawn("events", "--follow", "-o", "json") as events:
        while not (found := desk.process("approvals", "-o", "json").json["approvals"]):
            assert events.stdout
            events.stdout.readline()
        events.kill()
    return list(found)


def slow(name: str) -> dict[str, object]:
    """A server that takes a while to begin."""
    server = light(name)
    words = shlex.join([server["command"], *server["args"]])
    return {"command": "/bin/sh", "args": ["-c", f"sleep 0.5; exec {words}"]}
