"""A file as a git revision has it. The only process that `plan` ever runs is this `git show`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_NOT_THERE = ("exists on disk, but not in", "does not exist in")


class NoSuchRevision(Exception):
    """git cannot show this revision; the message is git's own, or says that there is no git."""


def show_file(revision: str, path: Path) -> bytes | None:
    """The content of `path` at `revision`; None where that revision has no such file. Raises NoSuchRevision."""
    if revision.startswith("-") or ":" in revision or not revision:
        raise NoSuchRevision(f'"{revision}" is not the name of a revision')
    command = ["git", "--no-pager", "show", "--no-textconv", "--no-ext-diff", f"{revision}:./{path.name}"]
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, check=False)
    except OSError as error:
        raise NoSuchRevision(f"git cannot be run: {error.strerror or error}") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
    if any(words in said for words in _NOT_THERE):
        return None
    raise NoSuchRevision(said.splitlines()[0] if said else "git show failed")
