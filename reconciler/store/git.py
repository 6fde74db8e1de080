"""What git knows of a file, read from `.git` without running anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ELSEWHERE = "refs/heads/.invalid"
"""What HEAD says in a repository that keeps its references in a table (git-init(1), `--ref-format=reftable`)."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A work tree: its top, the directory that git keeps for it, and the one that all work trees of it share."""

    root: Path
    directory: Path
    common: Path


def git_facts(path: Path) -> dict[str, Any] | None:
    """`{"commit", "branch"}` of the checkout around `path`; None outside of one, or where it cannot be read.

    A detached head has branch None, a branch without commits commit None.
    """
    try:
        found = checkout_of(Path(os.path.realpath(path)))
        return _head(found) if found else None
    except (OSError, ValueError):
        return None


def checkout_of(path: Path) -> Checkout | None:
    """The work tree that `path` is in; None where it is in none. Raises OSError, ValueError where it cannot be read."""
    for root in path.parents:
        git = root / ".git"
        if git.is_dir():
            return Checkout(root, git, _common(git))
        if git.is_file():  # a worktree or a submodule
            target = git.read_text(encoding="utf-8").strip().removeprefix("gitdir: ")
            directory = (root / target).resolve()
            return Checkout(root, directory, _common(directory))
    return None


def _common(directory: Path) -> Path:
    common = directory / "commondir"
    return (directory / common.read_text(encoding="utf-8").strip()).resolve() if common.is_file() else directory


def _head(checkout: Checkout) -> dict[str, Any] | None:
    head = (checkout.directory / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return {"branch": None, "commit": head}
    reference = head.removeprefix("ref: ")
    if reference == _ELSEWHERE:
        return None
    return {"branch": reference.removeprefix("refs/heads/"), "commit": _commit(checkout, reference)}


def _commit(checkout: Checkout, reference: str) -> str | None:
    for root in dict.fromkeys((checkout.directory, checkout.common)):
        if (root / reference).is_file():
            return (root / reference).read_text(encoding="utf-8").strip()
        packed = root / "packed-refs"
        if packed.is_file():
            for line in packed.read_text(encoding="utf-8").splitlines():
                if line.endswith(f" {reference}"):
                    return line.split(" ")[0]
    return None
