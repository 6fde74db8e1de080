"""Showing a page in the browser of whoever sits here: the program gets it as an argument, never through a shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def show_page(url: str) -> bool:
    """Whether a program was started that shows it. Only for URLs that were checked: https, or http on this machine."""
    command = _command(url, os.environ)
    if command is None:
        return False
    nowhere = subprocess.DEVNULL
    try:
        subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
    except OSError:
        return False
    return True


def _command(url: str, environment: Mapping[str, str]) -> list[str] | None:
    """What BROWSER names, else what the desktop has, where there is one."""
    named = environment.get("BROWSER", "").split(os.pathsep)[0]
    if named:
        return _named(named, url)
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    screen = sys.platform == "darwin" or any(environment.get(name) for name in _SCREENS)
    program = shutil.which(opener) if screen else None
    return [program, url] if program else None


def _named(command: str, url: str) -> list[str] | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if any("%s" in word for word in words):
        return [word.replace("%s", url) for word in words]
    return [*words, url] if words else None
