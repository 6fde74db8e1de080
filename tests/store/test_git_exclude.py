"""What is for this machine alone is kept out of git, by the checkout's own list."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.store import git_exclude
from reconciler.store.git_exclude import NotKeptOut, keep_out
from tests.requirements import requirement
from tests.store.test_git import checkout, git

__all__ = ["checkout"]
pytestmark = [pytest.mark.needs("git"), requirement("PAGE-1:for-me")]

NAME = "reconciler.local.yaml"


def seen(folder: Path) -> str:
    """What git would take along."""
    return git(folder, "status", "--porcelain", "--untracked-files=all")


def excluded(checkout: Path) -> list[str]:
    lines = (checkout / ".git/info/exclude").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_a_line_of_its_own_keeps_it_out_and_no_file_of_the_checkout_changes(checkout: Path) -> None:
    assert keep_out(checkout / NAME) == checkout / ".git/info/exclude"
    (checkout / NAME).touch()
    assert (seen(checkout), excluded(checkout)) == ("", [f"/{NAME}"])
    assert keep_out(checkout / NAME) is None
    assert excluded(checkout) == [f"/{NAME}"]


@pytest.mark.parametrize("name", ["#a [b]", "it's *", "!back\\slash", "ends with "])
def test_every_folder_is_named_as_it_is(checkout: Path, name: str) -> None:
    folder = checkout / name
    folder.mkdir()
    (checkout / "other").mkdir()
    for each in (folder, checkout / "other"):
        (each / NAME).touch()
    keep_out(folder / NAME)
    assert seen(checkout) == f"?? other/{NAME}"


def test_what_is_ignored_already_needs_nothing(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("*.local.yaml\n", encoding="utf-8")
    assert keep_out(checkout / NAME) is None
    assert excluded(checkout) == []


def test_outside_of_a_checkout_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert keep_out(tmp_path / NAME) is None
    assert list(tmp_path.iterdir()) == []


def test_work_trees_have_it_in_the_list_they_share(checkout: Path) -> None:
    git(checkout, "worktree", "add", "-q", "../beside")
    beside = checkout.parent / "beside"
    (beside / NAME).touch()
    assert keep_out(beside / NAME) == checkout / ".git/info/exclude"
    assert seen(beside) == ""


def test_a_list_that_is_missing_or_ends_in_the_middle_of_a_line_gets_a_line(checkout: Path) -> None:
    (checkout / ".git/info/exclude").write_text("build", encoding="utf-8")
    keep_out(checkout / NAME)
    assert excluded(checkout) == ["build", f"/{NAME}"]
    (checkout / ".git/info/exclude").unlink()
    (checkout / ".git/info").rmdir()
    keep_out(checkout / NAME)
    assert excluded(checkout) == [f"/{NAME}"]


def test_what_is_in_a_commit_or_asked_for_is_told(checkout: Path) -> None:
    (checkout / NAME).touch()
    git(checkout, "add", NAME)
    with pytest.raises(NotKeptOut, match=f"git does not ignore {NAME}: it is in a commit, or a .gitignore asks for it"):
        keep_out(checkout / NAME)
    git(checkout, "rm", "-q", "--cached", NAME)
    assert keep_out(checkout / NAME) is None
    (checkout / ".gitignore").write_text(f"!{NAME}\n", encoding="utf-8")
    with pytest.raises(NotKeptOut):
        keep_out(checkout / NAME)


def test_a_list_that_cannot_be_written_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(git_exclude, "write_whole", no_room)
    with pytest.raises(NotKeptOut, match="cannot be told to: No space left on device"):
        keep_out(checkout / NAME)


def test_without_git_the_line_is_written_all_the_same(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setenv("PATH", str(checkout))
        assert keep_out(checkout / NAME) == checkout / ".git/info/exclude"
        assert keep_out(checkout / NAME) is None
    (checkout / NAME).touch()
    assert seen(checkout) == ""


def test_another_repository_in_the_environment_is_not_asked(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = checkout.parent / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    (other / ".git/info/exclude").write_text(f"{NAME}\n", encoding="utf-8")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    keep_out(checkout / NAME)
    assert excluded(checkout) == [f"/{NAME}"]
    assert os.environ["GIT_DIR"]
