"""`reconciler open`: an engine where none runs, a link that lets in, and a browser that gets it unseen by others."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
import pytest

from reconciler.store.link_page import remove_link_page, write_link_page
from reconciler.store.state_dir import StateDir
from tests.faces.cli.desk import Desk, Done, light
from tests.faces.cli.test_watch import at_a_terminal, shown_until, watching
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:entering")


@contextmanager
def opened(desk: Desk, *arguments: str) -> Iterator[Done]:
    """With what `open` came to; the engine is ended on the way out."""
    try:
        yield desk.process("open", *arguments)
    finally:
        assert desk.process("stop").exit == 0


def comes_in(link: str) -> bool:
    """Whether a browser is let in by it."""
    with httpx2.Client() as browser:
        return browser.get(link).status_code == 200 and browser.get(httpx2.URL(link).join("/ui/")).status_code == 200


def test_an_engine_that_follows_the_file_is_started_and_the_link_lets_in_once(desk: Desk) -> None:
    desk.write({})
    with opened(desk, "--print") as done:
        assert (done.exit, "started an engine" in done.err, "follows reconciler.yaml" in done.err) == (0, True, True)
        link = done.out.strip()
        assert (comes_in(link), comes_in(link)) == (True, False)
        assert desk.run("status", "-o", "json").json["source"]["following"]
        again = desk.run("open", "--print")
        assert (again.exit, again.err, comes_in(again.out.strip())) == (0, "", True)
        as_json = desk.run("open", "-o", "json").json
        assert (as_json["seconds"], comes_in(as_json["url"])) == (600, True)


def test_where_there_is_no_file_one_without_servers_is_written_for_the_user(desk: Desk, tmp_path: Path) -> None:
    wide = tmp_path / "home" / ".config" / "reconciler" / "reconciler.yaml"
    with opened(desk, "--print") as done:
        assert (done.exit, f"wrote {wide}" in done.err, comes_in(done.out.strip())) == (0, True, True)
        wide.write_text(wide.read_text().replace("mcpServers: {}", "mcpServers: {a: {mock: {}, enabled: false}}"))
        again = desk.run("open", "--print")
        assert (again.exit, again.err, "a: {" in wide.read_text()) == (0, "", True)


def test_a_file_that_is_named_and_is_not_there_is_not_made_up(desk: Desk) -> None:
    done = desk.run("open", "-f", "nowhere.yaml")
    assert (done.exit, "nowhere.yaml does not exist" in done.err, "reconciler init -f" in done.err) == (3, True, True)


def test_the_browser_gets_the_link_by_a_file_that_nobody_else_may_read(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, shown = tmp_path / "my browser", tmp_path / "shown"
    program.write_text(f"#!{sys.executable}\nimport sys\nopen({str(shown)!r}, 'w').write(sys.argv[1])\n")
    program.chmod(0o700)
    os.mkfifo(shown)  # whoever reads it waits until it is written
    monkeypatch.setenv("BROWSER", f"'{program}'")
    desk.write({})
    with opened(desk) as done:
        assert (done.exit, done.out, "a browser was asked" in done.err) == (0, "", True)
        address = shown.read_text()
        file = Path(unquote(urlsplit(address).path))
        assert (address, stat.S_IMODE(file.stat().st_mode)) == (file.as_uri(), 0o600)
        link = file.read_text().partition("url=")[2].partition('"')[0]
        assert "word=" in link and "word=" not in address
        assert comes_in(link)
        assert not file.exists()


def test_a_file_with_another_link_stays(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    file = write_link_page(state, "http://127.0.0.1:7717/ui/enter?word=second&a=%22%3E")
    remove_link_page(state, "first")
    assert file.exists() and "&amp;a=" in file.read_text()
    remove_link_page(state, "second")
    remove_link_page(state, "second")
    assert not file.exists()


def test_an_engine_that_listens_nowhere_says_so_with_the_way_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_LISTEN", "none")
    desk.write({})
    with opened(desk) as done:
        assert (done.exit, done.out) == (4, "")
        assert "listens on its own socket only" in done.err and "`reconciler stop`" in done.err


def test_each_project_of_an_engine_has_its_own_page(desk: Desk) -> None:
    desk.write({}, project="first")
    desk.file.rename(desk.folder / "other.reconciler.yaml")
    desk.write({}, project="second")
    with watching(desk, str(desk.folder)) as watch:
        watch.until("following")
        links = {name: desk.run("open", "--print", "-p", name).out.strip() for name in ("first", "second")}
        assert sorted("/p/" in link for link in links.values()) == [False, True]
        for name, link in links.items():
            with httpx2.Client() as browser:
                entered = browser.get(link)
                _, _, goal = entered.text.partition("url=")
                assert f">{name}<" in browser.get(httpx2.URL(link).join(goal.partition('"')[0])).text


def test_watch_shows_a_link_at_a_terminal_alone(desk: Desk) -> None:
    desk.write({})
    with at_a_terminal(desk) as (person, _):
        shown = shown_until(person, "`reconciler open` does later")
        link = shown.partition("the page: ")[2].split()[0]
        assert (comes_in(link), comes_in(link)) == (True, False)
    with watching(desk) as watch:
        watch.until("following")
        desk.write({"one": light("one")})
        watch.until("waits for a yes")
        assert "word=" not in "".join(watch.said)
