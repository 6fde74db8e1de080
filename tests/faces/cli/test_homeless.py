"""A user without a name and a home, as containers have them, with a umask that hides nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faces.cli.desk import SECONDS
from tests.needs import ROOT
from tests.requirements import requirement

NOBODY = 12345
_BECOME = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_READS = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""Python may stand where only root looks."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory of that user, below none that is root's alone."""
    with tempfile.TemporaryDirectory() as made:
        os.chown(made, NOBODY, NOBODY)
        yield Path(made)


def as_nobody(folder: Path, *arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    words = [*_BECOME, *_READS, sys.executable, "-B", "-m", "reconciler", *arguments]
    known = {"PATH": os.environ["PATH"], "RECONCILER_LISTEN": "none", **environment}
    return subprocess.run(
        words, cwd=folder, env=known, umask=0, capture_output=True, text=True, check=False, timeout=SECONDS
    )


@pytest.mark.needs(ROOT, "setpriv")
@requirement("APPLY-1:no-home")
def test_who_has_no_home_is_told_what_to_name_and_then_has_state_for_nobody_else(folder: Path) -> None:
    servers = {"one": {"url": "https://example.com/mcp", "mock": {"tools": []}}}
    (folder / "reconciler.yaml").write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
    lost = as_nobody(folder, "plan", environment={})
    assert (lost.returncode, "no home directory" in lost.stderr) == (1, True), lost.stderr
    assert "name a place for the state with --state-dir (or RECONCILER_STATE_DIR)" in lost.stderr
    state = folder / "state"
    named = {"RECONCILER_STATE_DIR": str(state)}
    try:
        done = as_nobody(folder, "apply", "--auto-approve", environment=named)
        assert done.returncode == 0, done.stderr
        assert f"uid-{NOBODY}@" in as_nobody(folder, "rollback", "--list", environment=named).stdout
    finally:
        stopped = as_nobody(folder, "stop", environment=named)
    assert stopped.returncode == 0, stopped.stderr
    there = (path for path in (state, *state.rglob("*")) if not path.is_symlink())  # a link has no mode of its own
    made = {path: stat.S_IMODE(path.lstat().st_mode) for path in there}
    assert {path: oct(mode) for path, mode in made.items() if mode & 0o077} == {}
