"""The directory that an engine hosts, and the state of what is taken away."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from reconciler.engine import awake
from reconciler.engine.folder import Folder, FolderRefused
from reconciler.engine.host import Host
from reconciler.store.set_aside import set_state_aside
from reconciler.store.sources import Sources, read_sources
from reconciler.store.state_dir import StateDir, state_dir_of
from reconciler.store.tokens import create_token, read_tokens
from tests.requirements import requirement

pytestmark = [requirement("API-2:namespaces"), pytest.mark.anyio]


def folder(path: Path) -> Folder:
    return Folder(path, path / "state")


def why(path: Path, name: str, *taken: str) -> str:
    with pytest.raises(FolderRefused) as refused:
        folder(path).write(name, taken)
    return refused.value.code


def test_a_new_file_is_valid_and_names_its_project(tmp_path: Path) -> None:
    path = folder(tmp_path).write("fresh", ())
    reading = read_sources(folder(tmp_path).sources(path)).reading
    assert (reading.problems, reading.document().project, reading.document().servers) == ((), "fresh", {})
    assert path.stat().st_mode & 0o777 == 0o644
    assert folder(tmp_path).files() == [path]


@pytest.mark.parametrize(
    "name", ["", "a__b", "-a", "a/b", "..", ".", "API", "connect", "readyz", "reconciler", "a" * 64]
)
def test_a_name_that_no_project_can_have_is_not_written(tmp_path: Path, name: str) -> None:
    assert (why(tmp_path, name), list(tmp_path.iterdir())) == ("bad-name", [])


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    path = folder(tmp_path).write("fresh", ())
    before = path.read_bytes()
    assert why(tmp_path, "fresh") == why(tmp_path, "other", "Other") == "exists"
    (tmp_path / "link.reconciler.yaml").symlink_to(tmp_path / "nowhere")
    assert why(tmp_path, "link") == "exists"
    assert path.read_bytes() == before


def test_a_file_is_taken_away_with_its_lock_and_nothing_else(tmp_path: Path) -> None:
    mine = folder(tmp_path)
    for name in ("fresh", "other"):
        mine.write(name, ())
        (tmp_path / f"{name}.reconciler.lock").write_text("{}", encoding="utf-8")
    mine.delete(mine.sources(tmp_path / "fresh.reconciler.yaml"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.reconciler.lock", "other.reconciler.yaml"]


def test_what_is_not_ours_alone_is_not_taken_away(tmp_path: Path) -> None:
    mine, file = folder(tmp_path), folder(tmp_path).write("fresh", ())
    overlay = tmp_path / "fresh.reconciler.local.yaml"
    overlay.write_text("{}", encoding="utf-8")
    (tmp_path / "below").mkdir()
    elsewhere = Folder(tmp_path / "below", tmp_path).write("deep", ())
    link = tmp_path / "link.reconciler.yaml"
    link.symlink_to(elsewhere)
    cases = [
        (mine.sources(file), "overlaid"),
        (Sources(elsewhere, (), tmp_path), "no-folder"),
        (Sources(link, (), tmp_path), "read-only"),
        (Sources(file, (elsewhere,), tmp_path), "no-folder"),
    ]
    for sources, code in cases:
        with pytest.raises(FolderRefused) as refused:
            mine.delete(sources)
        assert refused.value.code == code and sources.main.exists()


async def test_an_engine_that_hosts_files_creates_and_removes_none(tmp_path: Path) -> None:
    file, host = folder(tmp_path).write("fresh", ()), Host()
    await host.add(Sources(file, (), tmp_path), tmp_path / "state")
    try:
        for work in (host.create("more", "me"), host.remove("fresh"), host.take_in_new()):
            with pytest.raises(FolderRefused) as refused:
                await work
            assert refused.value.code == "no-folder" and "watch DIR" in str(refused.value)
    finally:
        await host.stop()


async def test_an_engine_that_changes_no_file_creates_and_removes_none(tmp_path: Path) -> None:
    file, host = folder(tmp_path).write("fresh", ()), Host(read_only=True)
    host.folder = folder(tmp_path)
    await host.add(Sources(file, (), tmp_path), tmp_path / "state")
    try:
        for work in (host.create("more", "me"), host.remove("fresh")):
            with pytest.raises(FolderRefused) as refused:
                await work
            assert refused.value.code == "read-only"
    finally:
        await host.stop()


async def test_a_project_that_cannot_be_hosted_leaves_no_file(tmp_path: Path) -> None:
    mine, host = Folder(tmp_path, tmp_path / "state"), Host()
    host.folder = mine
    (tmp_path / "state").write_text("no directory", encoding="utf-8")
    with pytest.raises(OSError):
        await host.create("fresh", "me")
    assert (mine.files(), host.projects) == ([], {})
    await host.stop()


async def test_a_new_project_has_nothing_of_one_whose_file_was_deleted_by_hand(tmp_path: Path) -> None:
    mine, host = folder(tmp_path), Host()
    host.folder = mine
    for _ in range(2):
        project = await host.create("fresh", "me")
        assert (project.vault.get("old"), [token.name for token in read_tokens(project.state)]) == (
            None,
            ["client", "operator"],
        )
        project.vault.put("old", "secret")
        create_token(project.state, "operator", "old")
        await host.stop()
        project.sources.main.unlink()
        host = Host()
        host.folder = mine
    assert len(list((tmp_path / "state").glob("fresh-*.removed-*"))) == 1


async def test_a_project_that_another_engine_has_is_not_begun_anew(tmp_path: Path) -> None:
    mine, host = folder(tmp_path), Host()
    host.folder = mine
    state = state_dir_of(tmp_path / "fresh.reconciler.yaml", "fresh", tmp_path / "state")
    state.ensure()
    held = state.hold()
    with pytest.raises(FolderRefused) as refused:
        await host.create("fresh", "me")
    state.release(held)
    assert (refused.value.code, mine.files(), state.path.exists()) == ("exists", [], True)
    await host.stop()


@requirement("APPLY-1:moved")
async def test_a_new_project_has_nothing_of_a_file_that_a_link_led_to_from_there(tmp_path: Path) -> None:
    mine, before, host = Folder(tmp_path / "here", tmp_path / "state"), Host(), Host()
    mine.path.mkdir()
    host.folder = mine
    theirs = folder(tmp_path).write("theirs", ())
    link = mine.path / "fresh.reconciler.yaml"
    link.symlink_to(theirs)
    led = await before.add(mine.sources(link), mine.base)
    led.vault.put("old", "secret")
    await before.stop()
    link.unlink()
    project = await host.create("fresh", "me")
    assert (project.vault.get("old"), led.vault.get("old")) == (None, "secret")
    assert state_dir_of(theirs, "theirs", mine.base) == led.state != project.state
    await host.stop()


def test_only_what_was_done_stays_of_a_state(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "fresh-0123456789ab")
    state.ensure()
    for name in ("records.db", "tokens.json", "local-tokens.json", "vault.json", "key", "accepted.json"):
        (state.path / name).write_text("x", encoding="utf-8")
    (state.path / "deep" / "er").mkdir(parents=True)
    (state.path / "link").symlink_to(tmp_path)
    aside = set_state_aside(state, "20260102T030405Z")
    assert (aside.name, state.path.exists()) == ("fresh-0123456789ab.removed-20260102T030405Z", False)
    assert sorted(entry.name for entry in aside.iterdir()) == ["logs", "records.db"]


@requirement("LIVE-2:wake")
async def test_a_sleep_of_the_machine_is_told_in_every_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, mine = Host(), folder(tmp_path)
    monkeypatch.setattr(awake, "LOOK_SECONDS", 0.01)
    projects = [await host.add(mine.sources(mine.write(name, ())), tmp_path / "state") for name in ("one", "two")]
    try:
        async with projects[0].events.listen() as one, projects[1].events.listen() as two:
            await anyio.wait_all_tasks_blocked()  # by then the clocks were read once
            wall = time.time()
            monkeypatch.setattr(awake.time, "time", lambda: wall + 3600)
            with anyio.fail_after(20):
                told = [await queue.get() for queue in (one, two)]
    finally:
        monkeypatch.undo()
        await host.stop()
    assert {event["kind"] for event in told} == {"wake"}
    assert all("the machine slept, or its clock was set" in event["message"] for event in told)
