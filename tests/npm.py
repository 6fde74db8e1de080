"""Programs of npm that tests run, in exact versions and with a Node.js new enough for them, fetched once per machine.

They are kept in the user's cache, in one folder for each set of packages, never in the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NODE = "node@22.23.3"
NODE_WITH_ARGON2 = "node@24.21.0"
FETCH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Packages:
    """A folder with `node_modules`."""

    folder: Path

    @property
    def node(self) -> str:
        """The program that runs JavaScript."""
        return str(self.folder / "node_modules" / ".bin" / "node")

    def inside(self, package: str, *parts: str) -> Path:
        """A file of a package."""
        return self.folder.joinpath("node_modules", package, *parts)


def packages(*specs: str, node: str = NODE) -> Packages:
    """These packages (`name@version`) beside Node.js; the first who asks fetches them, others wait for that."""
    wanted = [node, *specs]
    name = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:16]
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(wanted, folder)
    return Packages(folder)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "mcp-reconciler-tests", "npm")


def _fetch(wanted: Sequence[str], folder: Path) -> None:
    """Whole or not at all."""
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix="new-"))
    try:
        (new / "package.json").write_text(json.dumps({"private": True, "type": "module"}), encoding="utf-8")
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--save-exact", *wanted]
        done = subprocess.run(command, cwd=new, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"npm ended with {done.returncode}: {done.stderr[-2000:]}")
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
