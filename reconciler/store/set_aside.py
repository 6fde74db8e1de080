"""What stays of a project that was taken away: what was done in it, and nothing that lets anybody in."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from reconciler.store.state_dir import StateDir

_KEPT = ("records.db", "records.db-wal", "records.db-shm", "logs", "engine.log")


def set_state_aside(state: StateDir, at: str) -> Path:
    """Move the directory to where no project finds it, and delete all of it but records and logs. `at` is the time, as
    part of the new name. Raises OSError."""
    aside = state.path.with_name(f"{state.path.name}.removed-{at}")
    state.path.rename(aside)
    for entry in aside.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                entry.unlink()
    return aside
