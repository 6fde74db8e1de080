"""What stays fast: the commands that touch no server never load the protocol library. Each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "reconciler"
PURE = ("config", "plan", "model", "merge_patch", "canonical", "problems")
HEAVY = ("mcp", "mcp_types", "httpx2", "starlette", "uvicorn")

FILE = """\
version: 1
mcpServers:
  clock:
    command: mcp-server-time
"""

LIGHT_COMMANDS = {
    "--help": ["--help"],
    "validate": ["validate", "-f", "reconciler.yaml"],
    "plan": ["plan", "-f", "reconciler.yaml"],
    "fmt": ["fmt", "--check", "-f", "reconciler.yaml"],
    "schema": ["schema"],
}

WATCHED_IMPORT = f"""
import atexit, sys
def report():
    print("LOADED", *sorted(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
atexit.register(report)
"""

WATCHED_RUN = f"""{WATCHED_IMPORT}
sys.argv[0] = "reconciler"
from reconciler.faces.cli.main import main
main()
"""


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(cwd), "PATH": "/usr/bin:/bin", "RECONCILER_STATE_DIR": str(cwd / "state")}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def loaded(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The heavy libraries that the process had at its end."""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("LOADED"), done.stderr
    return last.split()[1:]


def test_a_loaded_library_is_noticed(tmp_path: Path) -> None:
    assert loaded(run(WATCHED_IMPORT + "import httpx2", cwd=tmp_path)) == ["httpx2"]


def test_the_pure_rows_load_nothing_heavy(tmp_path: Path) -> None:
    files = sorted(
        path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in PURE
    )
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files]
    done = run(WATCHED_IMPORT + "\n".join(f"import {name.removesuffix('.__init__')}" for name in names), cwd=tmp_path)
    assert (done.returncode, loaded(done)) == (0, []), done.stderr


def test_the_package_itself_loads_nothing_at_all(tmp_path: Path) -> None:
    program = "import sys; before = set(sys.modules); import reconciler; print(*sorted(set(sys.modules) - before))"
    assert run(program, cwd=tmp_path).stdout.split() == ["reconciler"]


@pytest.mark.parametrize("name", LIGHT_COMMANDS)
def test_a_command_without_servers_loads_nothing_heavy(name: str, tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(FILE, encoding="utf-8")
    done = run(WATCHED_RUN, *LIGHT_COMMANDS[name], cwd=tmp_path)
    assert (done.returncode, loaded(done)) == (0, []), done.stdout + done.stderr
