"""Keeping a file of this machine alone out of git: a line in the checkout's own `info/exclude`, which nobody shares."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from reconciler.store.files import write_whole
from reconciler.store.git import checkout_of

_SECONDS = 10.0
_IGNORED, _SEEN = 0, 1
"""What `git check-ignore` ends with; anything else is that it does not know."""
_SPECIAL = re.compile(r"([\\*?\[ ])")


class NotKeptOut(Exception):
    """git may still take the file along; the message is a sentence that says why."""


def keep_out(path: Path) -> Path | None:
    """Have git ignore `path`, which need not be there. The file that got a line for it; None where none was needed.

    What git ignores already, by whichever rule, and what is in no checkout, needs nothing. Raises NotKeptOut.
    """
    path = Path(os.path.realpath(path.parent), path.name)
    try:
        found = checkout_of(path)
        if found is None or _asked(path) == _IGNORED:
            return None
        exclude = found.common / "info" / "exclude"
        added = _add(exclude, _pattern(path.relative_to(found.root)))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not as git leaves it"
        raise NotKeptOut(f"git does not ignore {path.name}, and cannot be told to: {why}") from error
    if _asked(path) == _SEEN:
        raise NotKeptOut(f"git does not ignore {path.name}: it is in a commit, or a .gitignore asks for it")
    return exclude if added else None


def _asked(path: Path) -> int | None:
    """How git answers whether it ignores the file; None where it cannot be asked."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**ours, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "check-ignore", "--quiet", "--", path.name]
    try:
        done = subprocess.run(
            command, cwd=path.parent, env=environment, capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode


def _pattern(path: Path) -> str:
    """The line that names exactly this file (gitignore(5)): from the root of the checkout, without wildcards."""
    if any(sign in str(path) for sign in "\r\n"):
        raise ValueError("a line ends in the middle of the name")
    return _SPECIAL.sub(r"\\\1", f"/{path.as_posix()}")


def _add(exclude: Path, line: str) -> bool:
    """Whether the line was not there yet."""
    before = exclude.read_text(encoding="utf-8") if exclude.is_file() else ""
    if line in before.splitlines():
        return False
    exclude.parent.mkdir(exist_ok=True)
    gap = "\n" if before and not before.endswith("\n") else ""
    write_whole(exclude, f"{before}{gap}{line}\n", mode=None if before else 0o644)
    return True
