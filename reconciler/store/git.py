"""What git knows of a file, read from `.git` without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def git_facts(path: Path) -> dict[str, Any] | None:
    """`{"commit", "branch"}` of the checkout around `path`; None outside of one. A detached head has branch None."""
    directory = _git_directory(path.resolve().parent)
    if directory is None:
        return None
    try:
        head = (directory / "HEAD").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not head.startswith("ref: "):
        return {"branch": None, "commit": head}
    reference = head.removeprefix("ref: ")
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
