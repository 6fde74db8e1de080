"""Trying a server before it is saved: what comes of it is told, and nothing of it stays."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine import trial
from reconciler.engine.trial import Tried, try_out
from reconciler.model.document import Document
from tests.canary import CANARY
from tests.engine.desk import Desk, desk, light
from tests.engine.signing import applied, sign_in
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer
from tests.rig.starting import processes_owned_by

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:test")]

NEW = "new"


def kept(at: Desk) -> Any:
    """What a trial could leave behind."""
    logs = sorted(at.project.state.server_logs.glob("*"))
    return at.project.ledger.accepted, logs, at.project.vault.list(), at.project.tried, at.project.waiting.all


async def tried(at: Desk, server: dict[str, Any], secrets: dict[str, str] | None = None, id: str = NEW) -> Tried:
    """Try a server as it is not in the file; nothing is left of it."""
    document = Document({"version": 1, "mcpServers": {id: server}})
    before = kept(at)
    with anyio.fail_after(30):
        found = await try_out(at.project, document, id, secrets or {})
    assert kept(at) == before
    return found


def script(text: str, **fields: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-E", "-S", "-c", text], **fields}


async def test_a_command_that_answers_has_its_tools_counted_and_is_gone(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    async with desk(tmp_path) as at:
        assert await tried(at, light("new", "--pids", str(pids))) == Tried(10)
        assert len(list(pids.iterdir())) == 1
        assert processes_owned_by(at.project.opening.cookie) == []
        assert at.rows() == {}


async def test_a_server_that_runs_goes_on_as_it_is_while_another_form_of_it_is_tried(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", env={"KEY": "${env:PATH}"})}) as at:
        await at.apply()
        row = at.row("a")
        assert await tried(at, light("a", "--mark", "other"), id="a") == Tried(10)
        assert (at.row("a")["pid"], at.row("a")["instance"]) == (row["pid"], row["instance"])
        assert processes_owned_by(at.project.opening.cookie) == [row["pid"]]
        assert (await at.plan()).drift == ()


async def test_a_command_that_dies_is_told_with_its_last_lines_and_without_secrets(tmp_path: Path) -> None:
    text = "import os, sys; print('one\\n' * 30 + os.environ['KEY'], file=sys.stderr); sys.exit(3)"
    async with desk(tmp_path) as at:
        found = await tried(at, script(text, env={"KEY": "${secret:new.env.KEY}"}), {"new.env.KEY": CANARY})
        assert found.tools is None and "It exited with status 3; its last words: " in found.why
        assert found.stderr == (*["one"] * 19, "***")
        assert CANARY not in found.why
        assert at.project.vault.list() == ()


async def test_what_a_server_says_of_its_lists_is_told_with_its_last_lines(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "print('I am ill', file=sys.stderr, flush=True)\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    if m.get('method') == 'initialize':\n"
        "        r = {'result': {'protocolVersion': m['params']['protocolVersion'], 'capabilities': {'tools': {}},\n"
        "             'serverInfo': {'name': 'ill', 'version': '1'}}}\n"
        "    elif 'id' in m: r = {'error': {'code': -32000, 'message': 'no tools today'}}\n"
        "    else: continue\n"
        "    print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], **r}), flush=True)\n"
    )
    async with desk(tmp_path) as at:
        found = await tried(at, script(code))
        assert found == Tried(None, "the server refused: no tools today", ("I am ill",))


async def test_a_command_that_says_nothing_is_broken_off_and_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "START_SECONDS", 1.0)
    async with desk(tmp_path) as at:
        text = "import signal, sys; print('waiting', file=sys.stderr, flush=True); signal.pause()"
        found = await tried(at, script(text))
        assert found.tools is None and "did not complete the handshake within 1 s" in found.why
        assert found.stderr == ("waiting",)
        assert processes_owned_by(at.project.opening.cookie) == []


async def test_what_a_command_started_elsewhere_is_gone_with_it(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True)\n"
        "sys.exit(4)\n"
    )
    async with desk(tmp_path) as at:
        assert "It exited with status 4." in (await tried(at, script(text))).why
        assert processes_owned_by(at.project.opening.cookie) == []


async def test_the_whole_of_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LONGEST", 0.5)
    async with desk(tmp_path) as at:
        found = await tried(at, script("import signal; signal.pause()"))
        assert found == Tried(None, "It was not ready within 0.5 s.")
        assert processes_owned_by(at.project.opening.cookie) == []


async def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        found = await tried(at, {"command": "/nowhere/at/all"})
        assert found.tools is None and "/nowhere/at/all" in found.why and found.stderr == ()


async def test_what_has_no_value_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        found = await tried(at, light("new", env={"KEY": "${secret:nothing}"}))
        assert found.why == 'no secret named "nothing" is stored; `reconciler secret set nothing`'


async def test_a_server_that_dials_in_and_a_mock_are_tried_for_what_they_are(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert "dials in" in (await tried(at, {"type": "uplink"})).why
        tools = [{"name": "look", "inputSchema": {"type": "object"}}]
        assert await tried(at, {"command": "nothing", "mock": {"tools": tools}}) == Tried(1)


async def test_an_engine_that_stops_ends_what_is_tried(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        document = Document({"version": 1, "mcpServers": {NEW: script("import signal; signal.pause()")}})
        trying = asyncio.create_task(try_out(at.project, document, NEW, {}))
        await at.until(lambda: processes_owned_by(at.project.opening.cookie) != [])
    assert processes_owned_by(at.project.opening.cookie) == []
    with anyio.fail_after(5):
        assert (await trying).tools is None


async def test_whoever_waits_for_a_trial_may_go_and_nothing_is_left(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        document = Document({"version": 1, "mcpServers": {NEW: script("import signal; signal.pause()")}})
        trying = asyncio.create_task(try_out(at.project, document, NEW, {}))
        await at.until(lambda: processes_owned_by(at.project.opening.cookie) != [])
        trying.cancel()
        await asyncio.wait({trying})
        assert processes_owned_by(at.project.opening.cookie) == [] and at.project.tried == set()


async def test_a_server_that_a_person_signs_in_to_is_tried_with_the_sign_in_that_is_there(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        there = here.project.ledger.document.servers["there"]
        first = await tried(here, dict(there), id="there")
        assert first == Tried(None, "A person signs in to it first: save it, then sign in on its page.")
        await sign_in(here, server)
        authorized = server.counts["authorize"]
        assert (await tried(here, dict(there), id="there")).tools is not None
        assert (await tried(here, dict(there))).why == first.why
        assert server.counts["authorize"] == authorized and here.row("there")["status"] == "connected"
