"""A followed file goes elsewhere and a link takes its place, and back: one engine, one project. With real engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faces.cli.desk import SECONDS, Desk, light
from tests.faces.cli.test_watch import watching
from tests.requirements import requirement
from tests.waiting import becomes_true

pytestmark = requirement("APPLY-1:moved")


def report(desk: Desk, file: Path) -> dict[str, Any]:
    found: dict[str, Any] = desk.run("status", "-f", str(file), "-o", "json").json
    return found


def runs(desk: Desk, file: Path) -> tuple[int | None, list[tuple[str, int | None]]]:
    """The process of the engine, and each server with its own."""
    found = report(desk, file)
    engine = found["engine"]
    return engine and engine["pid"], [(row["name"], row["pid"]) for row in found["servers"]]


def move(desk: Desk) -> Path:
    """What a manager of dotfiles does; answers where the file is now."""
    (desk.folder / "dot").mkdir(exist_ok=True)
    moved = desk.file.rename(desk.folder / "dot" / desk.file.name)
    desk.file.symlink_to(f"dot/{desk.file.name}")
    return moved


def rename_the_server(file: Path, name: str) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    document["mcpServers"]["one"]["name"] = name
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def test_the_engine_that_follows_a_file_stays_its_engine_behind_a_link_and_back(desk: Desk) -> None:
    desk.write({"one": light("one")})
    with watching(desk, "--auto-approve=start") as watch:
        watch.until("one is connected")
        engine, [(_, server)] = before = runs(desk, desk.file)

        moved = move(desk)
        assert runs(desk, desk.file) == runs(desk, moved) == before
        for way in (desk.file, moved):
            done = desk.process("apply", "--auto-approve", "-f", str(way))
            assert (done.exit, "No changes" in done.out, done.err) == (0, True, "")
        rename_the_server(desk.file, "through the link")
        assert becomes_true(lambda: runs(desk, desk.file) == (engine, [("through the link", server)]), SECONDS)

        text = desk.file.read_text(encoding="utf-8")
        desk.file.unlink()
        desk.file.write_text(text, encoding="utf-8")
        assert runs(desk, desk.file) == (engine, [("through the link", server)])
        rename_the_server(desk.file, "a file again")
        assert becomes_true(lambda: runs(desk, desk.file) == (engine, [("a file again", server)]), SECONDS)
        assert runs(desk, moved) == (None, [])
    assert len(list((desk.folder.parent / "state").iterdir())) == 1


def test_an_engine_that_follows_nothing_is_found_by_the_file_as_well(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        engine, _ = runs(desk, desk.file)
        moved = move(desk)
        rename_the_server(moved, "Anna")
        assert desk.process("apply", "--auto-approve", "-f", str(moved)).exit == 0
        assert runs(desk, desk.file) == runs(desk, moved)
        assert (runs(desk, moved)[0], report(desk, moved)["servers"][0]["name"]) == (engine, "Anna")


def test_what_was_applied_and_stored_goes_along_without_an_engine(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        (desk.folder / "key").write_text("value", encoding="utf-8")
        assert desk.run("secret", "set", "KEY", "--from-file", "key").exit == 0
    moved = move(desk)
    again = desk.process("apply", "--auto-approve")
    try:
        assert "No changes" in again.out
        assert "KEY" in desk.run("secret", "list").out
        assert runs(desk, desk.file)[1] == runs(desk, moved)[1]
    finally:
        assert desk.process("stop", "-f", str(moved)).exit == 0
    assert "no engine runs" in desk.run("status").out
    desk.file.unlink()
    moved.rename(desk.file)
    assert "No changes" in desk.run("plan").out


def test_a_directory_hosts_a_file_once_by_whatever_paths_it_is_there(desk: Desk) -> None:
    desk.write({"one": light("one")})
    desk.file.rename(desk.folder / "work.reconciler.yaml")
    desk.file.symlink_to("work.reconciler.yaml")
    with watching(desk, ".", "--auto-approve=start") as watch:
        assert "following work.reconciler.yaml (" in watch.until("following")
        watch.until("one is connected")
        before = runs(desk, desk.file)
        (desk.folder / "later.reconciler.yaml").symlink_to("work.reconciler.yaml")
        desk.file.with_name("other.reconciler.yaml").write_text("project: other\nmcpServers: {}\n", encoding="utf-8")
        assert becomes_true(lambda: report(desk, desk.file.with_name("other.reconciler.yaml"))["engine"], SECONDS)
        for name in ("reconciler.yaml", "work.reconciler.yaml", "later.reconciler.yaml"):
            assert runs(desk, desk.folder / name) == before
        assert "not hosted" not in desk.run("events").out
