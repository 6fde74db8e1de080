"""`reconciler auth`: a person signs in by command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import httpx2
import pytest

from reconciler.faces.cli import browser
from reconciler.faces.cli.listening import Listening
from tests.faces.cli.hosted import ANY_PORT, Hosted, hosted
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

pytestmark = [requirement("AUTH-1:command"), pytest.mark.anyio]


class Command:
    """`reconciler auth ...` in a process of its own."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        assert process.stderr is not None
        self._err = process.stderr
        self.said = ""

    async def page(self) -> str:
        """The URL that it shows."""
        while "\n  http" not in self.said or not self.said.partition("\n  http")[2].count("\n"):
            self.said += (await self._err.receive()).decode()
        return "http" + self.said.partition("\n  http")[2].split("\n")[0]

    async def paste(self, address: str) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(f"{address}\n".encode())
        await self._process.stdin.aclose()

    async def end(self) -> tuple[int, str]:
        """Exit code and standard output."""
        assert self._process.stdout is not None
        out = b"".join([piece async for piece in self._process.stdout]).decode()
        self.said += b"".join([piece async for piece in self._err]).decode()
        return await self._process.wait(), out


@asynccontextmanager
async def command(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[Command]:
    file, state = str(folder / "desk.reconciler.yaml"), str(folder / "state")
    line = [sys.executable, "-m", "reconciler", "auth", *arguments, "-f", file, "--state-dir", state]
    bare = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}
    with anyio.fail_after(30):
        async with await anyio.open_process(line, cwd=folder, env={**bare, **environment}) as process:
            yield Command(process)


@asynccontextmanager
async def engine_with(folder: Path, server: OAuthServer, listening: Listening = ANY_PORT) -> AsyncIterator[Hosted]:
    servers = {"there": {"url": server.url, "oauth": True}}
    async with hosted(folder, servers, listening=listening) as engine:
        yield engine


async def applied(folder: Path) -> None:
    line = [sys.executable, "-m", "reconciler", "apply", "--auto-approve", "-f", str(folder / "desk.reconciler.yaml")]
    done = await anyio.run_process([*line, "--state-dir", str(folder / "state")], cwd=folder, check=False)
    assert done.returncode == 5, done.stderr.decode()
    assert b"sign in at http" in done.stderr + done.stdout


async def test_it_shows_the_page_and_waits_until_somebody_signed_in(tmp_path: Path) -> None:
    async with OAuthServer() as server, engine_with(tmp_path, server):
        await applied(tmp_path)
        async with command(tmp_path, "there") as auth:
            async with httpx2.AsyncClient(follow_redirects=True) as person:
                assert "there is signed in" in (await person.get(await auth.page())).text
            assert await auth.end() == (0, "there: signed in\n")
        async with command(tmp_path, "there", "--forget") as auth:
            assert await auth.end() == (0, "there: signed out\n")
        async with command(tmp_path, "there", "--forget", "-o", "json") as auth:
            code, out = await auth.end()
            assert (code, json.loads(out)) == (0, {"server": "there", "forgotten": False})


async def test_the_browser_that_is_named_gets_the_page_as_one_argument_and_no_shell_does(tmp_path: Path) -> None:
    program = tmp_path / "my browser"
    program.write_text(f"#!{sys.executable}\nimport sys\nopen('shown', 'w').write(repr(sys.argv[1:]))\n")
    program.chmod(0o700)
    os.mkfifo(tmp_path / "shown")  # whoever reads it waits until it is written
    async with OAuthServer() as server, engine_with(tmp_path, server):
        await applied(tmp_path)
        async with command(tmp_path, "there", BROWSER=f"'{program}' --new %s:ignored") as auth:
            page = await auth.page()
            back = await server.browse(page)
            async with httpx2.AsyncClient() as person:
                await person.get(back)
            assert (await auth.end())[0] == 0
            with anyio.fail_after(10):
                assert await anyio.Path(tmp_path / "shown").read_text() == repr(["--new", page])


async def test_where_the_engine_listens_nowhere_an_address_is_pasted(tmp_path: Path) -> None:
    async with OAuthServer() as server, engine_with(tmp_path, server, Listening("none")):
        await applied(tmp_path)
        async with command(tmp_path, "there") as auth:
            assert (await auth.end())[0] == 1 and "`reconciler auth there --manual`" in auth.said
        async with command(tmp_path, "there", "--manual") as auth:
            await auth.paste(await server.browse(await auth.page()))
            assert await auth.end() == (0, "there: signed in\n")
        async with command(tmp_path, "there", "--manual") as auth:
            await auth.page()
            await auth.paste("http://127.0.0.1:7717/oauth/mcp/callback?state=x&code=y")
            code, out = await auth.end()
            assert (code != 0, out) == (True, "") and "No sign-in waits here" in auth.said


async def test_who_says_no_is_told_so(tmp_path: Path) -> None:
    async with OAuthServer() as server, engine_with(tmp_path, server) as engine:
        await applied(tmp_path)
        async with command(tmp_path, "there") as auth:
            state = httpx2.URL(await auth.page()).params["state"]
            answer = await engine.ask("GET", f"/oauth/mcp/callback?state={state}&error=access_denied")
            assert answer.status == 400
            code, out = await auth.end()
            assert (code, out) == (1, "") and "access_denied" in auth.said


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"BROWSER": "w3m"}, ["w3m", "https://x/$(y)"]),
        ({"BROWSER": "a -b '%s' c:other"}, ["a", "-b", "https://x/$(y)", "c"]),
        ({"BROWSER": "'unclosed"}, None),
        ({"BROWSER": "  "}, None),
    ],
)
def test_what_is_started_is_a_list_of_words(environment: dict[str, str], expected: list[str] | None) -> None:
    assert browser._command("https://x/$(y)", environment) == expected
