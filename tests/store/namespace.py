"""Mounts of a test's own: a Python text that runs as root of a mount namespace and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_UNSHARE = ("unshare", "--mount", "--propagation", "private")
_BEGIN = """
import errno, os, subprocess, sys
from pathlib import Path
from reconciler.store.files import write_whole
here = Path(sys.argv[1])
def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)
"""


@cache
def _possible() -> bool:
    """Whether we may make a mount namespace here: root may, in most containers."""
    try:
        words = (*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt")
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run_with_mounts(folder: Path, code: str) -> None:
    """Run `code` (it has `here`, `mount(...)`, `write_whole`) where it may mount; skip the test where nobody may."""
    if not _possible():
        pytest.skip("nothing can be mounted here (that takes root and unshare)")
    text = _BEGIN + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = (*_UNSHARE, sys.executable, "-c", text, str(folder))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
