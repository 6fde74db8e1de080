"""What a test needs from the machine: `@pytest.mark.needs("npx")`. A pytest plugin, and the only place that skips.

A need is a command, or one of ABILITIES. The commands of the environment that runs pytest are on the path, however
pytest was started. Where something is missing the test is skipped and one line at the end says so. With
`REQUIRE_ALL=1` a skip, for whatever reason, is a failure.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from functools import cache
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private", "--")
"""What a command begins with whose mounts nobody else sees."""
OWN_PROCESSES = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--")
"""What a command begins with that is process 1 of its own; it ends with whoever started it."""


@cache
def _can_mount() -> bool:
    words = (*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt")
    return _has("unshare") and subprocess.run(words, capture_output=True, check=False).returncode == 0


@cache
def _can_have_a_network() -> bool:
    words = ("unshare", "--net", "--mount", "--propagation", "private", "--", "ip", "link", "set", "lo", "up")
    return _has("unshare") and _has("ip") and subprocess.run(words, capture_output=True, check=False).returncode == 0


@cache
def _can_be_process_1() -> bool:
    words = (*OWN_PROCESSES, "true")
    return _has("unshare") and subprocess.run(words, capture_output=True, check=False).returncode == 0


ABILITIES: Mapping[str, Callable[[], bool]] = {
    "root, who alone gives files away and becomes somebody else": lambda: os.getuid() == 0,
    "mounts of its own, for a disk that is full or read-only": _can_mount,
    "a network of its own, in which packets are seen": _can_have_a_network,
    "processes of its own, of which it is the first": _can_be_process_1,
    "a resettable peak of memory (proc_pid_clear_refs(5))": lambda: os.access("/proc/self/clear_refs", os.W_OK),
    "glibc, which is told what to keep (mallopt(3))": lambda: platform.libc_ver()[0] == "glibc",
}
ROOT, MOUNTS, NETWORK, PROCESSES, PEAK_OF_MEMORY, GLIBC = ABILITIES


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): commands and abilities that the machine must have for this test")
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    config.add_cleanup(patch.undo)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [name for mark in item.iter_markers("needs") for name in mark.args]
    missing = sorted({name for name in wanted if not _has(name)})
    if missing:
        pytest.skip(f"this machine has no {', '.join(missing)}")


def _has(name: str) -> bool:
    return ABILITIES[name]() if name in ABILITIES else shutil.which(name) is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_a_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_a_skip(report)
    return report


def _fail_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped:
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
