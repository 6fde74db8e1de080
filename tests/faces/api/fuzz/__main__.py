"""The campaign by hand: `python -m tests.faces.api.fuzz [--role ROLE] [--cases N] [--seed N]`, 50 000 cases in all."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faces.api.fuzz import campaign
from tests.faces.api.fuzz.engine import engine

SHARES = {"operator": 0.5, "editor": 0.25, "viewer": 0.125, "nobody": 0.125}
"""Whoever may do more is asked for more."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faces.api.fuzz", description=__doc__)
    parser.add_argument("--role", choices=SHARES, help="Only as this role.")
    parser.add_argument("--cases", type=int, default=50_000, help="How many in all (50000).")
    parser.add_argument("--seed", type=int, help="Begin like an earlier campaign; it says its seed.")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    campaign.fast()
    shares = {options.role: 1.0} if options.role else SHARES
    failed = [role for role, share in shares.items() if not ask_as(role, round(options.cases * share), seed)]
    return 1 if failed else 0


def ask_as(role: str, cases: int, seed: int) -> bool:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, engine(Path(folder)) as at:
        outcome = campaign.run(at, role, cases, seed)
    print(f"{outcome.text}\nseed {seed}, {time.monotonic() - begun:.0f} s", flush=True)
    return not outcome.failures


if __name__ == "__main__":
    sys.exit(main())
