"""A project keeps its state when a link takes the place of its file, or the file that of a link; no other gets it."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import pytest

from reconciler.store.known_as import forget, used_for
from reconciler.store.set_aside import set_state_aside
from reconciler.store.state_dir import StateDir, state_dir_of
from tests.requirements import requirement
from tests.store.mounted import mounted, swap

pytestmark = requirement("APPLY-1:moved")


class Place:
    """A directory with files and links, and a base of state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "state"

    def file(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text("version: 1\n", encoding="utf-8")
        return path

    def link(self, name: str, target: str) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        return path

    def linked(self) -> None:
        """The file is in `dot/`, and a link leads there."""
        self.file("dot/r.yaml")
        self.link("r.yaml", "dot/r.yaml")

    def is_file(self, name: str) -> bool:
        path = self.folder / name
        return path.is_file() and not path.is_symlink()

    def move(self, name: str, to: str) -> None:
        """What a manager of dotfiles does."""
        (self.folder / to).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).rename(self.folder / to)
        self.link(name, to)

    def copy_back(self, name: str) -> None:
        """`cp --remove-destination`, `sed -i`: the link goes, and what it led to stays."""
        text = (self.folder / name).read_bytes()
        (self.folder / name).unlink()
        (self.folder / name).write_bytes(text)

    def state(self, name: str) -> StateDir:
        return state_dir_of(self.folder / name, "acme", self.base)

    def used(self, name: str) -> StateDir:
        """An engine held it, and is gone."""
        state = self.state(name)
        state.ensure()
        state.remember()
        return state


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def held(state: StateDir) -> Iterator[None]:
    """An engine holds it, and listens."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state.socket))
        listener.listen()
        state.engine_file.write_text(json.dumps({"socket": str(state.socket)}), encoding="utf-8")
        yield


# The file is the project's, wherever it was moved


@pytest.mark.parametrize("way", ["r.yaml", "dot/r.yaml"])
def test_a_file_that_a_link_took_the_place_of_keeps_its_state(place: Place, way: str) -> None:
    place.file("r.yaml")
    before = place.used("r.yaml")
    place.move("r.yaml", "dot/r.yaml")
    assert place.state(way) == before
    assert place.used(way) == before
    assert place.state(way) == before


def test_a_state_of_before_any_was_remembered_is_found_behind_the_link(place: Place) -> None:
    place.file("r.yaml")
    before = place.state("r.yaml")
    before.path.mkdir(parents=True)
    place.move("r.yaml", "dot/r.yaml")
    assert place.state("r.yaml") == before


def test_a_link_that_became_a_file_keeps_its_state_and_what_it_led_to_is_another(place: Place) -> None:
    place.linked()
    before = place.used("r.yaml")
    assert place.state("dot/r.yaml") == before
    place.copy_back("r.yaml")
    assert place.state("r.yaml") == before
    apart = place.state("dot/r.yaml")
    assert apart != before and apart == place.state("dot/r.yaml")
    apart.ensure()
    assert (place.state("dot/r.yaml"), place.state("r.yaml")) == (apart, before)
    (place.folder / "r.yaml").unlink()
    assert place.state("dot/r.yaml") == apart


def test_a_state_comes_back_to_the_file_when_nobody_else_has_it(place: Place) -> None:
    place.linked()
    before = place.used("r.yaml")
    (place.folder / "r.yaml").unlink()
    assert place.state("dot/r.yaml") == before


def test_to_and_fro_is_always_the_same(place: Place) -> None:
    place.file("r.yaml")
    before = place.used("r.yaml")
    for _ in range(3):
        place.move("r.yaml", "dot/r.yaml")
        assert place.used("r.yaml") == before
        place.copy_back("r.yaml")
        assert place.used("r.yaml") == before
    assert place.state("dot/r.yaml") != before


def test_a_state_that_was_only_made_ready_is_kept_too(place: Place) -> None:
    place.linked()
    before = place.state("r.yaml")
    before.ensure()
    place.copy_back("r.yaml")
    assert place.state("r.yaml") == before


def test_a_state_is_found_while_the_file_is_away(place: Place) -> None:
    place.linked()
    before = place.used("r.yaml")
    (place.folder / "r.yaml").unlink()
    assert place.state("r.yaml") == before


def test_a_folder_that_a_link_took_the_place_of_keeps_the_state(place: Place) -> None:
    place.file("desk/r.yaml")
    before = place.used("desk/r.yaml")
    place.move("desk", "dot/desk")
    assert place.state("desk/r.yaml") == before
    (place.folder / "desk").unlink()
    (place.folder / "dot" / "desk").rename(place.folder / "desk")
    assert place.state("desk/r.yaml") == before


def test_a_link_between_two_others_may_become_a_file(place: Place) -> None:
    place.linked()
    place.link("near.yaml", "r.yaml")
    before = place.used("near.yaml")
    place.copy_back("r.yaml")
    assert place.state("r.yaml") == place.state("near.yaml") == before


def test_a_link_that_leads_from_release_to_release_stays_the_project(place: Place) -> None:
    for release in "1234":
        place.file(f"{release}/r.yaml")
    place.link("now", "1")
    before = place.used("now/r.yaml")
    for release in "234":
        place.link("now", release)
        assert place.used("now/r.yaml") == before == place.state(f"{release}/r.yaml")
    assert place.state("2/r.yaml") != before
    assert len(list(place.base.iterdir())) == 1


def test_a_mounted_file_keeps_its_state_when_it_becomes_one_of_the_machine(place: Place) -> None:
    file = mounted(place.folder / "desk", "version: 1\n")
    before = place.used("desk/reconciler.yaml")
    place.copy_back("desk/reconciler.yaml")
    assert place.used("desk/reconciler.yaml") == before
    file.unlink()
    file.symlink_to(f"..data/{file.name}")
    swap(file.parent, "version: 1\n")
    assert place.state("desk/reconciler.yaml") == before


# Nobody gets the state of another


def test_a_path_that_leads_to_another_project_is_that_project(place: Place) -> None:
    place.file("a.yaml")
    place.file("b.yaml")
    ours, theirs = place.used("a.yaml"), place.used("b.yaml")
    place.link("a.yaml", "b.yaml")
    assert place.state("a.yaml") == place.state("b.yaml") == theirs
    place.file("a.yaml")
    assert (place.state("a.yaml"), place.state("b.yaml")) == (ours, theirs)


def test_an_engine_that_follows_the_path_is_the_one_that_is_meant(place: Place) -> None:
    place.file("a.yaml")
    place.file("b.yaml")
    ours, theirs = place.used("a.yaml"), place.used("b.yaml")
    place.link("a.yaml", "b.yaml")
    with held(ours):
        assert (place.state("a.yaml"), place.state("b.yaml")) == (ours, theirs)
        ours.remember()
        assert (place.state("a.yaml"), place.state("b.yaml")) == (ours, theirs)
    assert place.state("a.yaml") == theirs


def test_a_path_that_was_used_for_two_projects_is_that_of_the_last(place: Place) -> None:
    place.file("a.yaml")
    place.file("b.yaml")
    ours, theirs = place.used("a.yaml"), place.used("b.yaml")
    place.link("a.yaml", "b.yaml")
    assert place.used("a.yaml") == theirs
    place.copy_back("a.yaml")
    assert place.state("a.yaml") == theirs
    assert place.state("b.yaml") not in (ours, theirs)


def test_files_that_a_link_leads_to_in_turn_keep_what_is_theirs(place: Place) -> None:
    place.file("home.yaml")
    place.file("work.yaml")
    place.link("r.yaml", "home.yaml")
    home = place.used("r.yaml")
    work = place.used("work.yaml")
    place.link("r.yaml", "work.yaml")
    assert (place.state("r.yaml"), place.state("home.yaml"), place.state("work.yaml")) == (work, home, work)
    place.used("r.yaml")
    place.link("r.yaml", "home.yaml")
    assert (place.state("r.yaml"), place.state("home.yaml"), place.state("work.yaml")) == (home, home, work)


def test_what_went_along_is_not_asked_for_when_another_comes_by(place: Place) -> None:
    place.file("d.yaml")
    place.used("d.yaml")
    place.link("a.yaml", "d.yaml")
    first = place.used("a.yaml")
    place.copy_back("a.yaml")
    place.file("b.yaml")
    place.link("c.yaml", "b.yaml")
    second = place.used("c.yaml")
    place.link("c.yaml", "d.yaml")
    assert (place.state("a.yaml"), place.state("c.yaml")) == (first, second)
    assert place.state("b.yaml") not in (first, second)


def test_of_two_states_of_a_place_the_later_stays(place: Place) -> None:
    place.file("c.yaml")
    place.link("a.yaml", "c.yaml")
    first = place.used("a.yaml")
    place.copy_back("a.yaml")
    second = place.used("c.yaml")
    (place.folder / "a.yaml").unlink()
    place.link("a.yaml", "c.yaml")
    assert place.used("a.yaml") == place.state("a.yaml") == second != first


@pytest.mark.parametrize("seed", range(40))
def test_two_files_never_share_a_state_whatever_was_done(place: Place, seed: int) -> None:
    choice = random.Random(seed).choice
    for _ in range(25):
        name, other = choice(list(permutations(("a", "b", "c", "d"), 2)))
        match choice(("file", "link", "move", "back", "gone", "use", "use", "use")):
            case "file":
                place.file(name)
            case "link":
                place.link(name, other)
            case "move" if place.is_file(name):
                place.move(name, other)
            case "back" if (place.folder / name).is_file():
                place.copy_back(name)
            case "gone":
                (place.folder / name).unlink(missing_ok=True)
            case "use":
                place.used(name)
        real = {name: (place.folder / name).resolve() for name in "abcd" if (place.folder / name).is_file()}
        states = {(place.state(name).path, path) for name, path in real.items()}
        assert len({state for state, _ in states}) == len(states)


def test_of_several_links_to_a_file_each_keeps_what_it_had(place: Place) -> None:
    for name in ("a.yaml", "z.yaml"):
        place.file(name)
    states = {name: place.used(name) for name in ("a.yaml", "z.yaml")}
    place.file("d.yaml")
    for name in states:
        place.link(name, "d.yaml")
    assert {name: place.state(name) for name in states} == states


def test_two_names_of_one_file_are_two_files(place: Place) -> None:
    place.file("a.yaml")
    before = place.used("a.yaml")
    (place.folder / "b.yaml").hardlink_to(place.folder / "a.yaml")
    assert place.state("b.yaml") != before


def test_what_is_forgotten_goes_back_to_where_it_is_named_after(place: Place) -> None:
    place.file("d.yaml")
    place.link("a.yaml", "d.yaml")
    before = place.used("a.yaml")
    place.copy_back("a.yaml")
    apart = place.used("d.yaml")
    for name in ("a.yaml", "d.yaml"):
        forget(place.folder / name, place.base)
    assert (used_for(before.path), used_for(apart.path)) == (None, place.folder / "d.yaml")
    assert not place.state("a.yaml").path.exists()


def test_a_file_that_is_used_under_its_own_path_gives_nothing_to_a_link(place: Place) -> None:
    place.file("b.yaml")
    place.link("a.yaml", "b.yaml")
    place.used("a.yaml")
    theirs = place.used("b.yaml")
    place.file("a.yaml")
    assert place.state("b.yaml") == theirs != place.state("a.yaml")


def test_what_was_taken_away_is_not_found_again(place: Place) -> None:
    place.linked()
    before = place.used("r.yaml")
    place.copy_back("r.yaml")
    set_state_aside(before, "20260102T030405Z")
    assert not place.state("r.yaml").path.exists()
    assert not place.state("dot/r.yaml").path.exists()


def test_two_bases_know_nothing_of_each_other(place: Place, tmp_path: Path) -> None:
    place.file("r.yaml")
    place.used("r.yaml")
    place.move("r.yaml", "dot/r.yaml")
    other = state_dir_of(place.folder / "r.yaml", "acme", tmp_path / "other")
    assert other.path.parent == tmp_path / "other"
    assert not other.path.exists()


# What it is made of


def test_looking_changes_nothing(place: Place) -> None:
    place.linked()
    place.state("r.yaml")
    assert not place.base.exists()


def test_a_base_is_carried_elsewhere_whole(place: Place) -> None:
    place.linked()
    before = place.used("r.yaml")
    place.copy_back("r.yaml")
    place.base.rename(place.folder / "carried")
    place.base = place.folder / "carried"
    assert place.state("r.yaml").path == place.base / before.path.name


def test_what_cannot_be_remembered_keeps_nobody_from_work(place: Place) -> None:
    place.linked()
    before = place.state("r.yaml")
    (before.path / "file").mkdir(parents=True)
    assert place.used("r.yaml") == place.state("r.yaml") == before
    (before.path / "file").rmdir()
    assert place.used("r.yaml") == before
    place.copy_back("r.yaml")
    assert place.state("r.yaml") == before


def test_one_of_two_states_is_found_when_the_other_was_taken_away(place: Place) -> None:
    place.linked()
    before = place.used("r.yaml")
    place.copy_back("r.yaml")
    apart = place.used("dot/r.yaml")
    set_state_aside(before, "20260102T030405Z")
    assert place.state("dot/r.yaml") == apart
    assert not place.state("r.yaml").path.exists()


def test_what_is_remembered_is_not_written_again(place: Place) -> None:
    place.file("r.yaml")
    link = place.used("r.yaml").path / "file"
    written = link.lstat().st_ino, link.lstat().st_mtime_ns
    place.used("r.yaml")
    assert (link.lstat().st_ino, link.lstat().st_mtime_ns) == written


def test_what_a_killed_engine_left_half_remembered_is_removed(place: Place) -> None:
    place.file("r.yaml")
    state = place.used("r.yaml")
    half = state.path / ".file.0a1b2c3d"
    half.symlink_to("/nowhere")
    state.sweep()
    assert not half.is_symlink() and (state.path / "file").readlink() == place.folder / "r.yaml"
