"""What to paste into clients: it can be read, leads to this project, and never holds a token."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from reconciler.faces.cli.main import run
from reconciler.store.tokens import local_token
from tests.documents import blocks
from tests.faces.cli.hosted import hosted
from tests.faces.gateway.test_document import DOCUMENT
from tests.faces.page.visiting import Shown, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:clients")]

HTTP = ("claude-project", "vs-code", "cursor", "windsurf", "gemini", "opencode")
BRIDGED = ("claude-desktop", "zed", "others")


def paste(page: Shown, client: str) -> str:
    return page.one("pre", id=f"paste-{client}").text


async def test_each_client_gets_what_the_documentation_has_for_it(tmp_path: Path) -> None:
    documented = [json.loads(each.text) for each in blocks(DOCUMENT) if each.language == "json"]
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("clients")
        url = f"{engine.host.facts.url}/mcp"
        assert page.one(id="url").text == url
        for client in HTTP:
            assert json.loads(paste(page, client).replace(url, "http://127.0.0.1:7717/mcp")) in documented
        codex = tomllib.loads(paste(page, "codex"))["mcp_servers"]["reconciler"]
        assert codex == {"url": url, "bearer_token_env_var": "RECONCILER_TOKEN", "tool_timeout_sec": 120}
        said = shlex.split(paste(page, "claude-code"))
        assert said[:6] == ["claude", "mcp", "add", "--transport", "http", "reconciler"]
        assert said[6:] == [url, "--header", "Authorization: Bearer $RECONCILER_TOKEN"]


async def test_the_bridge_is_told_which_project_it_is_for(tmp_path: Path) -> None:
    async with hosted(tmp_path, None, "other") as engine, visiting(engine.host, project="other") as visitor:
        page = await visitor.page("clients")
        assert page.one(id="url").text == f"{engine.host.facts.url}/p/other/mcp"
        words = shlex.split(page.one("pre", id="bridge").text)
        file, state = str(tmp_path / "other.reconciler.yaml"), str(tmp_path / "state")
        assert words == ["reconciler", "bridge", "-f", file, "--state-dir", state]
        for client in BRIDGED:
            (servers,) = json.loads(paste(page, client)).values()
            assert servers == {"reconciler": {"command": words[0], "args": words[1:]}}


async def test_no_token_is_shown_and_the_command_that_shows_one_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("clients")
        tokens = [local_token(engine.state, role) for role in ("client", "operator")]
        assert all(token and token not in page.html for token in tokens)
        command = shlex.split(page.one("pre", id="show-token").text)
        assert f"$({page.one('pre', id='show-token').text})" in page.one("pre", id="export").text
    assert run(command[1:]) == 0
    assert capsys.readouterr().out.strip() == tokens[0]


async def test_a_path_with_blanks_and_quotes_stays_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "a 'b' <i>c"
    folder.mkdir()
    async with hosted(folder) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("clients")
        assert shlex.split(page.one("pre", id="bridge").text)[3] == str(folder / "desk.reconciler.yaml")
        assert json.loads(paste(page, "others"))["mcpServers"]["reconciler"]["args"][2].startswith(str(folder))
        assert not page.has("i")
