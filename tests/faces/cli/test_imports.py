"""What a command loads is what it costs: each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faces.cli.desk import Desk

WATCHED = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules, file=sys.stderr))
from reconciler.faces.cli.main import main
main()
"""
PARSERS = {"pydantic", "yaml", "ruamel", "jsonschema"}
ENGINES = {"asyncio", "sqlite3", "starlette", "uvicorn", "mcp", "mcp_types", "httpx2", "anyio", "watchfiles"}
SLOW = {"rich", "cryptography", "multiprocessing"}


def loaded(desk: Desk, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", WATCHED, *arguments]
    done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("LOADED ")
    return set(last.split()[1:])


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_list_of_commands_loads_nothing_but_click(desk: Desk, argument: str) -> None:
    modules = loaded(desk, argument)
    assert modules & (PARSERS | ENGINES | SLOW | {"difflib", "http.client", "socket"}) == set()
    ours = {name for name in modules if name.startswith("reconciler")}
    assert ours == {
        *("reconciler", "reconciler.faces", "reconciler.faces.cli"),
        *("reconciler.faces.cli.main", "reconciler.faces.cli.exits"),
    }


@pytest.mark.parametrize("name", ["validate", "plan", "fmt", "schema", "status", "init"])
def test_commands_without_servers_load_no_engine(desk: Desk, name: str) -> None:
    desk.write({"one": {"command": "x"}})
    arguments = [name, "-f", "other.yaml"] if name == "init" else [name]
    assert loaded(desk, *arguments) & (ENGINES | SLOW) == set()


@pytest.mark.parametrize("name", ["validate", "fmt", "schema", "init"])
def test_commands_about_text_alone_open_no_socket(desk: Desk, name: str) -> None:
    desk.write({"one": {"command": "x"}})
    arguments = [name, "-f", "other.yaml"] if name == "init" else [name]
    assert loaded(desk, *arguments) & {"http.client", "ssl"} == set()
