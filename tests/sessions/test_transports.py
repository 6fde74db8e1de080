"""Whatever a server is reached by, it is opened through one door; and what a killed engine left is swept."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from reconciler.model.secret import Template
from reconciler.model.server import Mock, Server, Stdio, Uplink
from reconciler.sessions.session import Era, Session, SessionError
from reconciler.sessions.transports import Surroundings, open_session, sweep_leftovers
from tests.requirements import requirement
from tests.rig.sdk_http import serving
from tests.rig.starting import argv, processes_owned_by, rig_server, zombies_below_us
from tests.sessions.remotes import Kind, remote
from tests.sessions.rigged import call, ignore, unresolved

pytestmark = pytest.mark.anyio
COOKIE = f"test-transports-{os.getpid()}"


@asynccontextmanager
async def opened(server: Server, folder: Path, *, era: Era | None = None) -> AsyncIterator[Session]:
    around = Surroundings(folder, COOKIE, "ins-1", folder / "server.log", lambda: dict(os.environ), era)
    dead = zombies_below_us()
    with anyio.fail_after(10):
        async with open_session(server, unresolved, ignore, around) as session:
            yield session
    assert processes_owned_by(COOKIE) == []
    assert zombies_below_us(dead) == []


@requirement("CFG-3:stdio")
async def test_a_command_is_a_process_in_the_directory_of_the_file(tmp_path: Path) -> None:
    async with opened(rig_server("light"), tmp_path) as session:
        facts = await call(session, "info")
        assert (facts["cwd"], facts["pid"]) == (str(tmp_path), session.pid)
        assert facts["env"]["RECONCILER_OWNER"] == f"{COOKIE}:ins-1"


async def test_the_log_of_a_process_is_where_it_was_asked_for(tmp_path: Path) -> None:
    async with opened(rig_server("light"), tmp_path) as session:
        await call(session, "words", text="said on standard error")
    assert "said on standard error" in (tmp_path / "server.log").read_text(encoding="utf-8")


async def test_the_environment_that_is_given_is_where_forwarded_names_come_from(tmp_path: Path) -> None:
    given = {"TOKEN": "given", "PATH": os.environ["PATH"]}
    around = Surroundings(tmp_path, COOKIE, "ins-1", tmp_path / "log", lambda: given)
    server = rig_server("light", forward=("TOKEN", "UNSET"))
    with anyio.fail_after(10):
        async with open_session(server, unresolved, ignore, around) as session:
            facts = await call(session, "info")
    assert (facts["env"]["TOKEN"], "UNSET" in facts["env"]) == ("given", False)


def counted(starts: Path, command: str) -> Server:
    """A server that leaves a line in `starts` whenever it is started."""
    script = Template((f"echo x >> {starts}; {command}",))
    return Server("a", "a", Stdio(Template(("/bin/sh",)), (Template(("-c",)), script)))


@requirement("LIVE-1:both-eras")
@pytest.mark.parametrize(("era", "times"), [(None, 2), ("handshake", 1)])
async def test_a_process_that_dies_of_the_question_for_its_era_is_started_again_without_it(
    tmp_path: Path, era: Era | None, times: int
) -> None:
    starts = tmp_path / "starts"
    evil = shlex.join(argv("evil", "discover"))
    async with opened(counted(starts, f"exec {evil}"), tmp_path, era=era) as session:
        assert session.handshake.era == "handshake"
        assert await call(session, "echo", text="alive") == "alive"
    assert len(starts.read_text(encoding="utf-8").split()) == times


async def test_a_process_that_dies_whatever_it_is_asked_is_not_started_a_third_time(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    with pytest.raises(SessionError, match="exited with status 4"):
        async with opened(counted(starts, "exit 4"), tmp_path):
            raise AssertionError("it opened")
    assert len(starts.read_text(encoding="utf-8").split()) == 2


@requirement("CFG-3:http", "CFG-3:sse")
@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_a_url_is_reached_by_its_kind(tmp_path: Path, kind: Kind) -> None:
    async with serving(kind) as url, opened(remote(url, kind), tmp_path) as session:
        result = await session.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, timeout=5)
        assert (result["content"][0]["text"], session.pid) == ("3", None)


@requirement("CFG-3:mock")
async def test_a_mock_runs_nothing(tmp_path: Path) -> None:
    server = replace(rig_server("light"), transport=Mock(({"name": "echo"},)))
    async with opened(server, tmp_path) as session:
        assert (await session.request("tools/list", timeout=1))["tools"][0]["name"] == "echo"
        assert processes_owned_by(COOKIE) == []


async def test_nothing_can_be_opened_that_dials_in_itself(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="dials in") as error:
        async with opened(replace(rig_server("light"), transport=Uplink()), tmp_path):
            raise AssertionError("it opened")
    assert (error.value.terminal, error.value.code) == (True, "uplink")


@requirement("LIVE-2:no-orphans")
async def test_what_a_killed_engine_left_is_swept_and_nothing_of_others(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]

    def start(owner: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "RECONCILER_OWNER": owner}
        started = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert started.stdout and started.stdout.readline() == "up\n"
        return started

    ours, others = start(f"{COOKIE}:ins-1"), start(f"{COOKIE}-other:ins-1")
    try:
        assert ours.pid in sweep_leftovers(COOKIE)
        assert others.poll() is None
        assert sweep_leftovers(COOKIE) == []
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()
