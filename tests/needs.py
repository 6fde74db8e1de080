"""What a test needs from the machine: `@pytest.mark.needs("npx")`. A pytest plugin.

The commands of the environment that runs pytest are on the path, however pytest was started. Where a command is
missing the test is skipped and one line at the end says so. With `REQUIRE_ALL=1` a skip, for whatever reason, is a
failure.
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*commands): commands that the machine must have for this test")
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    config.add_cleanup(patch.undo)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [name for mark in item.iter_markers("needs") for name in mark.args]
    missing = sorted({name for name in wanted if shutil.which(name) is None})
    if missing:
        pytest.skip(f"this machine has no {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _fail_a_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _fail_a_skip(report)
    return report


def _fail_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although REQUIRE_ALL=1: {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        parts = (f"{count} because {reason}" for reason, count in sorted(reasons.items()))
        terminalreporter.write_line(f"Not run here: {'; '.join(parts)}.")
