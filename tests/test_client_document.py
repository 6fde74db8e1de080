"""docs/client.md says what is true: its programs are written and run, as they stand there."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.client import Client
from tests.documents import run_document
from tests.requirements import requirement

pytestmark = requirement("OPS-1:client")

DOCUMENT = Path(__file__).parents[1] / "docs" / "client.md"


@pytest.mark.needs("bash")
def test_the_programs_of_the_document_do_what_it_says(tmp_path: Path) -> None:
    environment = os.environ | {
        "RECONCILER_STATE_DIR": str(tmp_path / "state"),
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("RECONCILER_FILE", None)
    try:
        wrong = run_document(DOCUMENT, tmp_path, environment)
    finally:
        subprocess.run(["reconciler", "stop"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert not wrong, "\n".join(wrong)


def test_every_method_is_listed() -> None:
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    listed = re.search(r"## All methods\n(.*?)\n\nEach", DOCUMENT.read_text(encoding="utf-8"), re.S)
    assert listed
    assert set(re.findall(r"`(\w+)`", listed[1])) == methods
