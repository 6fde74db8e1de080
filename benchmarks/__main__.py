"""All benchmarks, one process after the other; options are handed on to each."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "commands",
    "planning",
    "starting",
    "cold_start",
    "one_bad",
    "following",
    "calling",
    "recovering",
    "memory",
    "idle",
    "gateway",
    "bridging",
    "apis",
    "page",
)


def main() -> int:
    ended = [subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=False) for name in NAMES]
    return max(done.returncode for done in ended)


if __name__ == "__main__":
    sys.exit(main())
