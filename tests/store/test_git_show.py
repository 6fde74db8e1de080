"""A file as a revision has it, shown by the real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.store.git_show import NoSuchRevision, show_file
from tests.store.test_git import checkout, git

__all__ = ["checkout"]
pytestmark = pytest.mark.needs("git")


def test_a_file_is_shown_as_each_revision_has_it(checkout: Path) -> None:
    path = checkout / "reconciler.yaml"
    path.write_bytes(b"second\r\n")
    git(checkout, "commit", "-q", "-a", "-m", "second")
    path.write_bytes(b"not committed")
    assert show_file("HEAD", path) == b"second\r\n"
    assert show_file("HEAD~1", path) == show_file("main~1", path) == b"version: 1\n"


def test_a_file_in_a_folder_is_found_from_there(checkout: Path) -> None:
    folder = checkout / "a b"
    folder.mkdir()
    (folder / "reconciler.yaml").write_bytes(b"deep")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "deep")
    assert show_file("HEAD", folder / "reconciler.yaml") == b"deep"


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_a_revision_does_not_have_is_none(checkout: Path, there: bool) -> None:
    path = checkout / "new.yaml"
    if there:
        path.touch()
    assert show_file("HEAD", path) is None


@pytest.mark.parametrize("revision", ["no-such-branch", "", "-p", "--output=x", "HEAD:other", ":/first"])
def test_what_names_no_revision_is_refused_and_writes_nothing(checkout: Path, revision: str) -> None:
    with pytest.raises(NoSuchRevision):
        show_file(revision, checkout / "reconciler.yaml")
    assert sorted(path.name for path in checkout.iterdir()) == [".git", "reconciler.yaml"]


def test_outside_of_a_checkout_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoSuchRevision, match="not a git repository"):
        show_file("HEAD", tmp_path / "reconciler.yaml")


def test_without_git_that_is_what_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(NoSuchRevision, match="git cannot be run"):
        show_file("HEAD", checkout / "reconciler.yaml")
