"""The official conformance suite, run as its authors run it, and what it found: every check of every scenario."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml

from tests.npm import Packages, packages

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
PACKAGE = SUITE.rpartition("@")[0]
CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 100
Revision = Literal["2025-11-25", "2026-07-28"]
Checks: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """Checks by scenario, and what the suite printed."""

    checks: Mapping[str, Checks]
    said: str

    def wrong(self, scenarios: Iterable[str]) -> list[str]:
        """What failed in these scenarios, in words. One that did not run, or has nothing that succeeded, failed."""
        return [words for scenario in scenarios for words in self._wrong_in(scenario)]

    def _wrong_in(self, scenario: str) -> list[str]:
        checks = self.checks.get(scenario, ())
        failed = [check for check in checks if check["status"] in ("FAILURE", "WARNING") and not _late(check)]
        if not any(check["status"] == "SUCCESS" for check in checks):
            return [f"{scenario}: nothing succeeded: {self.said[-1500:]}"]
        return [f"{scenario}: {check['id']} {check['status']}: {_reason(check)}" for check in failed]

    def succeeded(self) -> int:
        """How many checks did."""
        return sum(check["status"] == "SUCCESS" for checks in self.checks.values() for check in checks)


def _late(check: Mapping[str, Any]) -> bool:
    """A warning of slowness says something of the machine, not of us."""
    return (check["status"], check["id"]) == ("WARNING", "client-sse-retry-timing")


def _reason(check: Mapping[str, Any]) -> str:
    return str(check.get("errorMessage") or json.dumps(check.get("details"))[:800])


def scored(revision: Revision, leg: Literal["server", "client"]) -> list[str]:
    """The scenarios that a revision requires of everyone."""
    text = _suite().inside(PACKAGE, "requirements", f"{revision}.yaml").read_text(encoding="utf-8")
    found: list[str] = yaml.safe_load(text)[leg]
    return found


def judge_server(url: str, revision: Revision, out: Path, *scenarios: str) -> Report:
    """Scenarios for servers at that revision against `url`, one after the other; all of them where none is named."""
    chosen = [["--scenario", name, "--spec-version", revision] for name in scenarios]
    runs = chosen or [["--requirements", revision]]
    said = "\n".join(_run(["server", "--url", url, "-o", str(out), *words]) for words in runs)
    return _report(said, out, "server-")


def judge_client(scenarios: Sequence[str], revision: Revision, out: Path, *, together: int = 2) -> Report:
    """Scenarios for clients, played by `tests.conformance.client`."""
    driver = shlex.join([sys.executable, "-m", "tests.conformance.client"])

    def play(scenario: str) -> str:
        words = ["--spec-version", revision, "--timeout", "30000", "--force", "-o", str(out)]
        return _run(["client", "--command", driver, "--scenario", scenario, *words])

    with ThreadPoolExecutor(together) as pool:
        said = "\n".join(pool.map(play, scenarios))
    return _report(said, out, "")


def _suite() -> Packages:
    return packages(SUITE)


def _run(words: Sequence[str]) -> str:
    suite = _suite()
    command = [suite.node, str(suite.inside(PACKAGE, "dist", "index.js")), *words]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return done.stdout + done.stderr


def _report(said: str, out: Path, prefix: str) -> Report:
    """What lies in `out`: one folder for each scenario, its name (which may be a path) followed by the time."""
    found = {}
    for file in out.rglob("checks.json"):
        name = file.parent.relative_to(out).as_posix()
        scenario = re.sub(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$", "", name).removeprefix(prefix)
        found[scenario] = json.loads(file.read_text(encoding="utf-8"))
    return Report(found, said)
