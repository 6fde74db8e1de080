"""`approvals`, `approve`, `deny` and `audit` for calls, with a real engine, a real server and a client beside them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.client import Client
from reconciler.faces.cli.approval_text import call_lines
from reconciler.faces.cli.paint import Painter
from reconciler.store.state_dir import state_dir_of
from reconciler.store.tokens import local_token
from tests.faces.cli.desk import Desk
from tests.requirements import requirement

pytestmark = requirement("GATE-2:commands")

TALLY = Path(__file__).parents[2] / "rig" / "tally.py"
META = "io.modelcontextprotocol/"
SECONDS = 60


class Agent:
    """An agent with a client token: each call is a thread, and it is heard when a call waits or arrives."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.state = state_dir_of(desk.file, "desk", Path(os.environ["RECONCILER_STATE_DIR"]))
        self.tally = desk.folder / "tally"
        self.waits = threading.Event()
        self.arrived = threading.Event()
        self._connections: list[http.client.HTTPConnection] = []
        self._threads: list[threading.Thread] = []

    @property
    def server(self) -> dict[str, Any]:
        return {"command": sys.executable, "args": ["-E", "-S", "-u", str(TALLY), "--file", str(self.tally)]}

    @property
    def api(self) -> Client:
        return Client(self.state.socket)

    @property
    def ran(self) -> list[str]:
        return self.tally.read_text(encoding="utf-8").splitlines() if self.tally.exists() else []

    def call(self, name: str, **arguments: Any) -> Future[dict[str, Any]]:
        """The raw result, once there is one; ConnectionError or a parse error when the engine went away."""
        self.waits.clear()
        self.arrived.clear()
        result: Future[dict[str, Any]] = Future()
        self._threads.append(threading.Thread(target=self._call, args=(name, arguments, result)))
        self._threads[-1].start()
        return result

    def parked(self, name: str, **arguments: Any) -> str:
        """The id of a call whose caller went away again."""
        self.call(name, **arguments)
        assert self.waits.wait(SECONDS)
        self.go_away()
        [row] = [row for row in self.api.approvals() if row["arguments"] == arguments]
        call_id: str = row["id"]
        deadline = time.monotonic() + SECONDS
        while self.api.approval(call_id)["awaited"]:  # the engine hears a little later that the caller is gone
            assert time.monotonic() < deadline
        return call_id

    def go_away(self) -> None:
        """Hang up, as an agent does that is closed."""
        for connection in self._connections:
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._connections.clear()
        self._threads.clear()

    def _call(self, name: str, arguments: dict[str, Any], result: Future[dict[str, Any]]) -> None:
        try:
            result.set_result(self._asked(name, arguments))
        except Exception as error:
            result.set_exception(error)

    def _asked(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        url = urlsplit(self.api.hello()["url"])
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=SECONDS + 30)
        self._connections.append(connection)
        facts = {"protocolVersion": "2026-07-28", "clientInfo": {"name": "t", "version": "1"}, "clientCapabilities": {}}
        meta = {**{META + key: value for key, value in facts.items()}, "progressToken": "p"}
        params = {"name": name, "arguments": arguments, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Authorization": f"Bearer {local_token(self.state, 'client')}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": name,
        }
        with closing(connection):
            connection.request("POST", "/mcp", json.dumps(body), headers)
            with connection.getresponse() as response:
                return self._read(response)

    def _read(self, response: http.client.HTTPResponse) -> dict[str, Any]:
        for line in response:
            message = json.loads(line.removeprefix(b"data: ")) if line.strip().startswith((b"data: {", b"{")) else {}
            if message.get("method") == "notifications/progress":
                (self.arrived if message["params"].get("message") == "arrived" else self.waits).set()
            if "result" in message:
                result: dict[str, Any] = message["result"]
                return result
        raise ConnectionError("no result came")


def text(result: dict[str, Any]) -> str:
    said: str = result["content"][0]["text"]
    return said


@contextmanager
def running(desk: Desk, **settings: Any) -> Iterator[Agent]:
    agent = Agent(desk)
    with desk.applied({"it": agent.server, **settings.pop("servers", {})}, **settings):
        try:
            yield agent
        finally:
            agent.go_away()


def kill_engine(agent: Agent) -> None:
    """What an OOM killer does; the next command starts another engine with what was accepted."""
    engine = agent.state.engine()
    assert engine is not None
    os.kill(engine["pid"], signal.SIGKILL)
    done = agent.desk.process("watch", "--detach")
    assert done.exit == 0, done.err


# The contract


def test_a_waiting_call_is_listed_exactly_so_and_approve_lets_exactly_that_call_run_once(desk: Desk) -> None:
    with running(desk) as agent:
        call = agent.call("it__add", key="a", n=1)
        assert agent.waits.wait(SECONDS)
        listed = desk.run("approvals", "-o", "json")
        assert (listed.exit, list(listed.json)) == (0, ["approvals"])
        [row] = listed.json["approvals"]
        assert set(row) == {"id", "server", "tool", "arguments", "requestedAt", "expiresAt", "principal"}
        assert (row["server"], row["tool"], row["arguments"]) == ("it", "add", {"key": "a", "n": 1})
        assert agent.ran == []
        done = desk.run("approve", row["id"])
        assert (done.exit, done.out) == (0, "allowed, once\n")
        assert text(call.result(SECONDS)) == "added"
        assert desk.run("approvals", "-o", "json").json == {"approvals": []}
        assert "no call waits" in desk.run("approvals").err
        again = agent.call("it__add", key="a", n=1)
        assert agent.waits.wait(SECONDS)
        [next_row] = desk.run("approvals", "-o", "json").json["approvals"]
        assert (next_row["id"] == row["id"], agent.ran) == (False, ["add a"])
        denied = desk.run("deny", next_row["id"])
        assert (denied.exit, denied.out) == (0, "denied\n")
        assert "said no to this call" in text(again.result(SECONDS))
        assert agent.ran == ["add a"]


def test_what_is_shown_is_whole_and_nothing_in_it_is_invisible(desk: Desk) -> None:
    with running(desk) as agent:
        call_id = agent.parked("it__add", key="pay\u202etxt.exe\u200b\x1b[2J\ufe0f", more={"deep": ["x" * 500]})
        for shown in (desk.run("approvals"), desk.run("approve"), desk.run("approvals", call_id)):
            assert shown.exit == 0
            assert shown.out.replace("\n", "").isprintable()
            assert "pay\\u202etxt.exe\\u200b\\u001b[2J\\ufe0f" in shown.out
            assert "x" * 500 in shown.out
            assert f"reconciler approve {call_id}" in shown.out
            assert "for client, " in shown.out
        one = desk.run("approvals", call_id, "-o", "json").json
        assert (one["id"], one["state"]) == (call_id, "waiting")
        everything = desk.run("approve", "-o", "json").json
        assert ([row["id"] for row in everything["approvals"]], everything["pending"]) == ([call_id], [])


def test_answers_that_come_to_nothing_have_a_sentence_and_an_exit_code(desk: Desk) -> None:
    with running(desk) as agent:
        for command in ("approve", "deny"):
            unknown = desk.run(command, "call-none")
            assert (unknown.exit, "no call call-none is known" in unknown.err) == (1, True)
        call_id = agent.parked("it__add", key="a")
        assert desk.run("deny", call_id).exit == 0
        late = desk.run("approve", call_id, "-o", "json")
        assert (late.exit, late.json["error"]["code"]) == (4, "too-late")
        assert "it was denied by" in late.json["error"]["message"]
        for wrong in (("approve", "--session"), ("approve", "pln-0", "--always"), ("approve", call_id, "it")):
            assert desk.run(*wrong).exit == 64
        assert desk.run("deny", call_id, "it").exit == 64
        kept = desk.run("approvals", "--all")
        assert "denied by " in kept.out
        assert agent.ran == []


@requirement("GATE-2:audit")
def test_the_audit_says_who_decided_what(desk: Desk) -> None:
    with running(desk) as agent:
        assert "nothing was decided" in desk.run("audit").err
        desk.run("approve", agent.parked("it__add", key="a"))
        rows = desk.run("audit", "-o", "json").json["audit"]
        assert [(row["decision"], row["outcome"]) for row in rows] == [("ask", "waiting"), ("allow-once", "allowed")]
        assert "@" in rows[1]["who"]
        told = desk.run("audit", "--since", "1h")
        assert (told.exit, "allow-once" in told.out, rows[1]["who"] in told.out) == (0, True, True)
        assert desk.run("audit", "--since", rows[1]["at"], "-o", "json").json["audit"][-1] == rows[1]
        assert desk.run("audit", "--since", "2999-01-01", "-o", "json").json == {"audit": []}
        wrong = desk.run("audit", "--since", "yesterday")
        assert (wrong.exit, "write 2026-11-21T04:00, or 30m, 2h, 7d" in wrong.err) == (64, True)


# How far a yes goes


@requirement("GATE-2:grants")
def test_always_writes_exactly_one_rule_into_the_file_and_keeps_the_rest_of_it(desk: Desk) -> None:
    with running(desk) as agent:
        desk.file.write_text("# mine\n" + yaml_of(agent) + "    # the end\n", encoding="utf-8")
        assert desk.process("apply", "--auto-approve").exit == 0
        before = desk.file.read_text(encoding="utf-8")
        done = desk.run("approve", agent.parked("it__add", key="a"), "--always")
        assert (done.exit, "this tool does not ask any more" in done.out) == (0, True)
        rule = "    tools:\n      add:\n        requireApproval: false\n"
        after = desk.file.read_text(encoding="utf-8")
        assert after.replace(rule, "") == before
        assert text(agent.call("it__add", key="b").result(SECONDS)) == "added"
        assert agent.ran == ["add b"]
        assert desk.run("plan", "--exit-code").exit == 0
        assert desk.run("approvals", "-o", "json").json == {"approvals": []}
        [row] = [tool for tool in desk.run("tools", "-o", "json").json["tools"] if tool["name"] == "add"]
        assert (row["asks"], row["by"].startswith("mcpServers.it.tools.add.requireApproval")) == (False, True)


def yaml_of(agent: Agent) -> str:
    arguments = "".join(f"      - {json.dumps(word)}\n" for word in agent.server["args"])
    return (
        "version: 1\nproject: desk\nmcpServers:\n  it:  # a comment\n"
        f"    command: {agent.server['command']}\n    args:\n{arguments}"
    )


@requirement("GATE-2:grants")
def test_always_leaves_other_edits_of_the_file_waiting(desk: Desk) -> None:
    with running(desk, servers={"other": {"command": "true", "enabled": False}}) as agent:
        call_id = agent.parked("it__add", key="a")
        desk.write({"it": {**agent.server, "args": [*agent.server["args"], "--mark", "other"]}})
        done = desk.run("approve", call_id, "--always", "-o", "json")
        assert (done.exit, done.json["for"]) == (0, "always")
        written = json.loads(desk.file.read_text(encoding="utf-8"))
        assert written["mcpServers"]["it"]["tools"] == {"add": {"requireApproval": False}}
        assert text(agent.call("it__add", key="b").result(SECONDS)) == "added"
        actions = desk.run("plan", "-o", "json").json["actions"]
        assert {(each["id"], each["action"]) for each in actions} == {("it", "reconnect"), ("other", "delete")}


@requirement("GATE-2:grants")
@pytest.mark.parametrize("damage", ["mcpServers: [", "version: 1\nproject: desk\nmcpServers: {}\n"])
def test_an_always_that_the_file_cannot_take_allows_the_call_once_and_says_why(desk: Desk, damage: str) -> None:
    with running(desk) as agent:
        call_id = agent.parked("it__add", key="a")
        desk.file.write_text(damage, encoding="utf-8")
        done = desk.run("approve", call_id, "--always")
        assert (done.exit, "allowed, once" in done.out, "not for always: " in done.err) == (5, True, True)
        assert desk.file.read_text(encoding="utf-8") == damage
        assert text(agent.call("reconciler__result", id=call_id).result(SECONDS)) == "added"
        rows = desk.run("audit", "-o", "json").json["audit"]
        assert ("allow-always", "refused") in {(row["decision"], row["outcome"]) for row in rows}


@requirement("GATE-2:grants")
def test_what_is_remembered_on_this_machine_leaves_the_file_alone_and_survives_the_engine(desk: Desk) -> None:
    with running(desk, approvals={"remember": "local"}) as agent:
        before = desk.file.read_text(encoding="utf-8")
        assert desk.run("approve", agent.parked("it__add", key="a"), "--always").exit == 0
        assert desk.file.read_text(encoding="utf-8") == before
        kill_engine(agent)
        assert text(agent.call("it__add", key="b").result(SECONDS)) == "added"
        [row] = [tool for tool in desk.run("tools", "-o", "json").json["tools"] if tool["name"] == "add"]
        assert (row["asks"], row["by"].startswith("always.json (this machine, ")) == (False, True)
        marked = {**agent.server, "args": [*agent.server["args"], "--mark", "other"]}
        desk.write({"it": marked}, approvals={"remember": "local"})
        assert desk.process("apply", "--auto-approve").exit == 0
        assert agent.parked("it__add", key="c")
        assert agent.ran == ["add b"]


@requirement("GATE-2:grants")
def test_what_is_remembered_on_this_machine_can_be_taken_back(desk: Desk) -> None:
    with running(desk, approvals={"remember": "local"}) as agent:
        assert desk.run("approve", agent.parked("it__add", key="a"), "--always").exit == 0
        assert desk.run("deny", "--always", "it", "add").out == "add of it asks again\n"
        assert agent.parked("it__add", key="b")
        assert desk.run("deny", "--always", "it", "add", "-o", "json").json == {"forgotten": False}
        assert "which line of the file decides" in desk.run("deny", "--always", "it", "add").err
        assert desk.run("deny", "--always", "it").exit == 64
        rows = desk.run("audit", "-o", "json").json["audit"]
        assert ("forget-always", "local") in {(row["decision"], row["outcome"]) for row in rows}


@requirement("GATE-2:grants")
def test_a_yes_for_the_session_ends_with_the_engine(desk: Desk) -> None:
    with running(desk) as agent:
        done = desk.run("approve", agent.parked("it__add", key="a"), "--session")
        assert (done.exit, "until the engine stops" in done.out) == (0, True)
        assert text(agent.call("it__add", key="b").result(SECONDS)) == "added"
        kill_engine(agent)
        assert agent.parked("it__add", key="c")
        assert agent.ran == ["add b"]


# Kills of a real engine


@requirement("GATE-2:at-most-once")
def test_a_yes_survives_a_killed_engine(desk: Desk) -> None:
    with running(desk) as agent:
        call_id = agent.parked("it__add", key="a")
        done = desk.run("approve", call_id)
        assert "it runs if that comes back for it within 15 minutes" in done.out
        kill_engine(agent)
        assert agent.ran == []
        assert text(agent.call("reconciler__result", id=call_id).result(SECONDS)) == "added"
        kill_engine(agent)
        assert text(agent.call("reconciler__result", id=call_id).result(SECONDS)) == "added"
        assert agent.ran == ["add a"]


@requirement("GATE-2:at-most-once")
def test_what_ran_when_the_engine_was_killed_is_unknown_and_not_run_again(desk: Desk) -> None:
    with running(desk) as agent:
        call = agent.call("it__hang", key="a")
        assert agent.waits.wait(SECONDS)
        [row] = desk.run("approvals", "-o", "json").json["approvals"]
        desk.run("approve", row["id"])
        assert agent.arrived.wait(SECONDS)
        kill_engine(agent)
        assert isinstance(call.exception(SECONDS), OSError | http.client.HTTPException)
        said = text(agent.call("reconciler__result", id=row["id"]).result(SECONDS))
        assert ("nobody knows how this call" in said, "it is not run again" in said) == (True, True)
        late = desk.run("approve", row["id"])
        assert (late.exit, "nobody knows how it ended" in late.err) == (4, True)
        assert agent.ran == ["hang a"]
        assert "unknown" in {each["outcome"] for each in desk.run("audit", "-o", "json").json["audit"]}


@requirement("GATE-2:at-most-once")
def test_a_call_that_waits_goes_on_waiting_through_a_killed_engine(desk: Desk) -> None:
    with running(desk) as agent:
        call_id = agent.parked("it__add", key="a")
        kill_engine(agent)
        assert [row["id"] for row in desk.run("approvals", "-o", "json").json["approvals"]] == [call_id]
        back = agent.call("it__add", key="a")
        assert agent.waits.wait(SECONDS)
        assert desk.run("approve", call_id).exit == 0
        assert text(back.result(SECONDS)) == "added"
        assert agent.ran == ["add a"]


def test_the_number_of_hidden_secrets_is_said() -> None:
    call = {
        "id": "call-1",
        "server": "a",
        "tool": "b",
        "arguments": {"x": "***", "y": ["***"]},
        "requestedAt": "2026-11-21T04:00:00.000Z",
        "expiresAt": "2026-11-21T12:00:00.000Z",
        "principal": "c",
    }
    assert "    2 secrets are hidden here, and sent as they are" in list(call_lines(call, Painter()))
