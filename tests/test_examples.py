"""Every folder of examples/ does what its README says: the commands are run, in order, in a copy of the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.config.read import Source, read
from tests.documents import run_document
from tests.requirements import requirement

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
NEEDS = {"01-quickstart": ("uvx", "npx"), "08-plan-in-ci": ("git",)}


def test_every_folder_is_listed_and_has_a_readme() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [f.name for f in FOLDERS if f"[{f.name}]({f.name})" not in listed or not (f / "README.md").is_file()] == []


@requirement("CFG-1:yaml-declares", "CFG-1:mcp-json-is-valid")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_is_a_configuration_without_errors(folder: Path) -> None:
    (main,) = [path for path in (folder / "reconciler.yaml", folder / ".mcp.json") if path.is_file()]
    files = [main, *folder.glob("*.local.yaml")]
    reading = read([Source(f.name, f.read_text(encoding="utf-8")) for f in files], default_project="example")
    assert reading.written is not None, reading.problems


@pytest.mark.parametrize(
    "folder",
    [pytest.param(f, id=f.name, marks=pytest.mark.needs(*NEEDS.get(f.name, ()))) for f in FOLDERS],
)
def test_the_commands_of_an_example_do_what_its_readme_says(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / folder.name
    shutil.copytree(folder, place)
    environment = {
        **os.environ,
        "RECONCILER_STATE_DIR": str(tmp_path / "state"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("RECONCILER_FILE", None)
    try:
        assert run_document(place / "README.md", place, environment) == []
    finally:
        subprocess.run(["reconciler", "stop"], cwd=place, env=environment, capture_output=True, check=False)
