"""What git knows of a file, read from `.git` without running anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_ELSEWHERE = "refs/heads/.invalid"
"""What HEAD says in a repository that keeps its references in a table (git-init(1), `--ref-format=reftable`)."""


def git_facts(path: Path) -> dict[str, Any] | None:
    """`{"commit", "branch"}` of the checkout around `path`; None outside of one, or where it cannot be read.

    A detached head has branch None, a branch without commits commit None.
    """
    try:
        directory = _git_directory(Path(os.path.realpath(path)).parent)
        return _head(directory) if directory else None
    except (OSError, ValueError):
        return None


def _head(directory: Path) -> dict[str, Any] | None:
    head = (directory / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return {"branch": None, "commit": head}
    reference = head.removeprefix("ref: ")
    if reference == _ELSEWHERE:
        return None
    return {"branch": reference.removeprefix("refs/heads/"), "commit": _commit(directory, reference)}


def _git_directory(start: Path) -> Path | None:
    for directory in (start, *start.parents):
        git = directory / ".git"
        if git.is_dir():
            return git
        if git.is_file():  # a worktree or a submodule
            target = git.read_text(encoding="utf-8").strip().removeprefix("gitdir: ")
            return (directory / target).resolve()
    return None


def _commit(directory: Path, reference: str) -> str | None:
    common = directory / "commondir"
    roots = [directory]
    if common.is_file():
        roots.append((directory / common.read_text(encoding="utf-8").strip()).resolve())
    for root in roots:
        if (root / reference).is_file():
            return (root / reference).read_text(encoding="utf-8").strip()
        packed = root / "packed-refs"
        if packed.is_file():
            for line in packed.read_text(encoding="utf-8").splitlines():
                if line.endswith(f" {reference}"):
                    return line.split(" ")[0]
    return None
