"""Where this user's own files are. In a container there may be a user without a home, and without a name."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from pathlib import Path

import platformdirs


class NoHome(Exception):
    """Nothing says where this user's files are."""

    def __init__(self) -> None:
        super().__init__(f"the user with the id {os.getuid()} has no home directory here, and HOME is not set")


def home() -> Path | None:
    """The home directory; None where there is none."""
    with suppress(RuntimeError):
        return Path.home()
    return None


def user_state() -> Path | None:
    """Where this user's programs keep state; None where that cannot be known."""
    with suppress(RuntimeError):
        return Path(platformdirs.user_state_dir("reconciler"))
    return None


def user_name() -> str:
    """What this user is called, by the id where there is no name."""
    with suppress(KeyError, OSError, ImportError):
        return getpass.getuser()
    return f"uid-{os.getuid()}"
