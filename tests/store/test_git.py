"""What git knows of a file, read from real repositories without running git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.store.git import git_facts

pytestmark = pytest.mark.needs("git")
_QUIET = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **_QUIET}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "reconciler.yaml").write_text("version: 1\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def facts_of(folder: Path) -> object:
    return git_facts(folder / "reconciler.yaml")


def test_branch_and_commit_are_known(checkout: Path) -> None:
    assert facts_of(checkout) == {"branch": "main", "commit": git(checkout, "rev-parse", "HEAD")}


def test_a_file_deep_inside_belongs_to_the_checkout(checkout: Path) -> None:
    (checkout / "a" / "b").mkdir(parents=True)
    assert facts_of(checkout / "a" / "b") == facts_of(checkout)


def test_a_branch_name_may_have_slashes(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "-b", "feature/one")
    assert facts_of(checkout) == {"branch": "feature/one", "commit": git(checkout, "rev-parse", "HEAD")}


def test_packed_references_are_found(checkout: Path) -> None:
    git(checkout, "tag", "-a", "v1", "-m", "a tag adds peeled lines")
    git(checkout, "branch", "other-main")
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git" / "refs" / "heads" / "main").exists()
    assert facts_of(checkout) == {"branch": "main", "commit": git(checkout, "rev-parse", "HEAD")}


def test_a_commit_after_packing_counts_and_not_the_packed_one(checkout: Path) -> None:
    git(checkout, "pack-refs", "--all")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "second")
    assert facts_of(checkout) == {"branch": "main", "commit": git(checkout, "rev-parse", "HEAD")}


def test_a_detached_head_has_no_branch(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    assert facts_of(checkout) == {"branch": None, "commit": git(checkout, "rev-parse", "HEAD")}


@pytest.mark.parametrize("packed", [False, True])
def test_a_worktree_has_its_own_branch(checkout: Path, tmp_path: Path, packed: bool) -> None:
    git(checkout, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    git(tmp_path / "side", "commit", "-q", "--allow-empty", "-m", "second")
    if packed:
        git(checkout, "pack-refs", "--all")
    assert facts_of(tmp_path / "side") == {"branch": "side", "commit": git(tmp_path / "side", "rev-parse", "HEAD")}
    assert facts_of(checkout) == {"branch": "main", "commit": git(checkout, "rev-parse", "HEAD")}


def test_a_submodule_has_its_own_commit(checkout: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q", "-b", "main")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(checkout), "inner")
    assert (outer / "inner" / ".git").is_file()
    assert facts_of(outer / "inner") == {"branch": "main", "commit": git(checkout, "rev-parse", "HEAD")}


def test_a_branch_without_commits_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert facts_of(tmp_path) == {"branch": "main", "commit": None}


def test_a_link_belongs_to_the_checkout_of_its_target(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").symlink_to(checkout / "reconciler.yaml")
    assert facts_of(tmp_path) == facts_of(checkout)


def test_outside_of_a_checkout_nothing_is_known(tmp_path: Path) -> None:
    assert facts_of(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".git", "gitdir: nowhere\n"),
        (".git", "no such line\n"),
        (".git", b"\xff\xfe"),
        (".git/HEAD", b"\xff\xfe"),
        (".git/HEAD", "ref: refs/heads/.invalid\n"),
        (".git/unrelated", ""),
    ],
)
def test_what_cannot_be_read_is_not_known(tmp_path: Path, name: str, content: str | bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert facts_of(tmp_path) is None


def test_packed_references_that_are_not_text_give_no_commit(checkout: Path) -> None:
    git(checkout, "pack-refs", "--all")
    with (checkout / ".git" / "packed-refs").open("ab") as file:
        file.write(b"\xff\n")
    assert facts_of(checkout) is None
