"""Mounts of a test's own: a Python text that runs as root of a mount namespace and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.needs import OWN_MOUNTS

ROOT = Path(__file__).parents[2]
_BEGIN = """
import errno, os, subprocess, sys
from pathlib import Path
from reconciler.store.files import write_whole
here = Path(sys.argv[1])
def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)
"""


def run_with_mounts(folder: Path, code: str) -> None:
    """Run `code` (it has `here`, `mount(...)`, `write_whole`) where it may mount. For tests that need MOUNTS."""
    text = _BEGIN + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = (*OWN_MOUNTS, sys.executable, "-c", text, str(folder))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
