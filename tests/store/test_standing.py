"""A file keeps its identity while the host swaps what lies beneath it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.store.places import Sources
from reconciler.store.standing import standing, way
from reconciler.store.state_dir import state_dir_of
from tests.requirements import requirement
from tests.store.mounted import mounted, swap

pytestmark = requirement("APPLY-1:identity")


def test_a_swap_changes_neither_the_state_nor_the_name_nor_the_folder(tmp_path: Path) -> None:
    file = mounted(tmp_path / "desk", "version: 1\n")
    before, name = state_dir_of(file, "desk", tmp_path), Sources(file).project
    before.ensure()
    swap(tmp_path / "desk", "version: 1\n")
    assert state_dir_of(file, "desk", tmp_path) == before
    assert name == Sources(file).project == "desk"
    assert Sources(file).folder == tmp_path / "desk"


def test_every_way_to_a_mounted_file_is_the_same_project(tmp_path: Path) -> None:
    file = mounted(tmp_path / "desk", "")
    (tmp_path / "link.yaml").symlink_to("desk/reconciler.yaml")
    (tmp_path / "far").symlink_to(tmp_path / "desk", target_is_directory=True)
    ways = (file, tmp_path / "link.yaml", tmp_path / "far" / file.name, file.parent / "..data" / file.name)
    assert {standing(each) for each in ways} == {file}
    assert standing(file.parent / ".." / "desk" / file.name) == file


def test_a_state_that_was_made_behind_the_link_is_still_found(tmp_path: Path) -> None:
    file, base = mounted(tmp_path / "desk", ""), tmp_path / "state"
    older = state_dir_of(Path(os.path.realpath(file)), "desk", base)  # a file without links of a host's
    older.path.mkdir(parents=True)
    assert state_dir_of(file, "desk", base) == older


def test_a_link_of_one_s_own_is_followed_to_the_file(tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "reconciler.yaml").touch()
    (tmp_path / "now").symlink_to("1", target_is_directory=True)
    assert standing(tmp_path / "now" / "reconciler.yaml") == tmp_path / "1" / "reconciler.yaml"


def test_a_way_names_every_link_on_it_and_what_is_before_a_link_is_real(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "dot").mkdir()
    (tmp_path / "real" / "deep" / "r.yaml").symlink_to(tmp_path / "dot" / "r.yaml")
    (tmp_path / "near").symlink_to("real")
    assert way(tmp_path / "near" / "deep" / "r.yaml") == [
        tmp_path / "near" / "deep" / "r.yaml",
        tmp_path / "real" / "deep" / "r.yaml",
        tmp_path / "dot" / "r.yaml",
    ]
    assert way(tmp_path / "dot" / "r.yaml") == way(tmp_path / "real" / ".." / "dot" / "r.yaml")
    assert way(tmp_path / "dot" / "r.yaml") == [tmp_path / "dot" / "r.yaml"]


@pytest.mark.parametrize("path", ["a", "plain/b", "./plain/../missing", "up", "/", "..", "....", "plain/..data/x"])
def test_everything_else_stands_where_the_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "a").symlink_to("plain/../plain/b")
    (tmp_path / "plain" / "b").symlink_to(tmp_path / "missing")
    (tmp_path / "up").symlink_to("../..")
    monkeypatch.chdir(tmp_path)
    assert standing(Path(path)) == Path(os.path.realpath(path))


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert standing(tmp_path / "a" / "c") == Path(os.path.realpath(tmp_path / "a" / "c"))
