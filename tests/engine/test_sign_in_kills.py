"""An engine that is killed while it renews a sign-in: nothing is lost that it was given time to write down."""

import os
import random
import signal
import sys
from pathlib import Path

import anyio
import pytest

from tests.engine.desk import desk
from tests.engine.signing import Clock, clock, come_back, remote, sign_in, until_asked, until_connected
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

__all__ = ["clock"]

pytestmark = [pytest.mark.anyio]
HOURS_AGO = -2 * 3600.0


class Killed(Exception):
    """The answer goes to nobody."""


async def sign_in_long_ago(folder: Path, server: OAuthServer, clock: Clock) -> None:
    """The token that is kept has ended; the one that renews it holds once."""
    clock.ahead = HOURS_AGO
    async with desk(folder, {"there": remote(server)}) as here:
        await here.apply()
        await sign_in(here, server)
    clock.ahead = 0.0
    server.rotates = True
    server.expire()
    server.counts.clear()


async def run_until_killed(folder: Path, server: OAuthServer, at: str, pause: float = 0.0) -> None:
    """An engine in a process of its own, which is killed at this moment, or so many seconds after it."""
    pid: list[int] = []
    over = anyio.Event()

    async def hold(moment: str) -> None:
        if moment != at or over.is_set():
            return
        over.set()
        if pause:
            group.start_soon(kill_later)
        else:
            os.kill(pid[0], signal.SIGKILL)
            if moment == "arrived":
                raise Killed

    async def kill_later() -> None:
        await anyio.sleep(pause)
        os.kill(pid[0], signal.SIGKILL)

    server.hold = hold
    file = str(folder / "reconciler.yaml")
    command = [sys.executable, "-m", "reconciler", "watch", "-f", file, "--state-dir", str(folder / "state")]
    starting = anyio.open_process([*command, "--listen", "none"], cwd=folder, stdin=None)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group, await starting as engine:
            pid.append(engine.pid)
            assert await engine.wait() == -signal.SIGKILL
    server.hold = None


@requirement("AUTH-1:kept-before-use", "AUTH-1:stays-signed-in")
@pytest.mark.parametrize("at", ["arrived", "used"])
async def test_who_was_signed_in_when_the_engine_was_killed_still_is(tmp_path: Path, clock: Clock, at: str) -> None:
    async with OAuthServer() as server:
        await sign_in_long_ago(tmp_path, server, clock)
        await run_until_killed(tmp_path, server, at)
        async with desk(tmp_path) as here:
            await until_connected(here)
            assert await here.call("there", "whoami") == "ada"
        assert server.counts["authorize"] == 0


@requirement("AUTH-1:kept-before-use", "AUTH-1:one-sign-in-asked")
async def test_where_the_new_token_died_with_the_engine_one_sign_in_is_asked_for(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server:
        await sign_in_long_ago(tmp_path, server, clock)
        await run_until_killed(tmp_path, server, "rotated")
        async with desk(tmp_path) as here:
            page = await until_asked(here)
            assert (server.counts["refresh"], server.counts["prm"]) == (2, 1)
            await come_back(here, server, page)
            await until_connected(here)


@requirement("AUTH-1:kept-before-use", "AUTH-1:one-sign-in-asked")
@pytest.mark.parametrize("seed", range(3))
async def test_killed_at_any_moment_it_is_one_or_the_other(tmp_path: Path, clock: Clock, seed: int) -> None:
    async with OAuthServer() as server:
        await sign_in_long_ago(tmp_path, server, clock)
        await run_until_killed(tmp_path, server, "rotated", random.Random(seed).uniform(0.0005, 0.01))
        used = server.counts["mcp"] > 0
        async with desk(tmp_path) as here:
            await here.until(lambda: here.row("there")["status"] == "connected" or here.row("there")["authUrl"])
            connected = here.row("there")["status"] == "connected"
        assert connected or not used, "what was used was kept"
        assert server.counts["refresh"] <= 2 and server.counts["authorize"] == 0
