"""A machine that lacks something skips with one clear line, or fails where everything is required."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUITE = """
import pytest

@pytest.mark.needs("no-such-command")
def test_without(): pass

@pytest.mark.needs("no-such-command")
def test_without_it_too(): pass

@pytest.mark.needs("sh")
def test_with(): pass
"""


def run(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").touch()
    (folder / "test_suite.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.needs", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if name != "REQUIRE_ALL"}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_missing_command_is_one_line_and_no_failure(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0
    assert "1 passed, 2 skipped" in done.stdout
    assert done.stdout.count("Not run here: 2 because this machine has no no-such-command.") == 1


def test_with_everything_required_a_skip_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, REQUIRE_ALL="1")
    assert done.returncode == 1
    assert "skipped although REQUIRE_ALL=1: this machine has no no-such-command" in done.stdout
    assert "1 passed" in done.stdout
    assert "skipped in" not in done.stdout


def test_a_module_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("import pytest\npytest.importorskip('no_such_module')\n", encoding="utf-8")
    assert run(tmp_path).returncode == 0
    assert "could not import 'no_such_module'" in run(tmp_path, REQUIRE_ALL="1").stdout
