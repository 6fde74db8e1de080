"""What the test says that it puts there."""

import subprocess

import pytest

from tests.canary import CANARY


@pytest.mark.canary_inputs("*.py", "stdout", "argument")
def test(tmp_path):
    (tmp_path / "server.py").write_text(CANARY)
    print(CANARY)
    subprocess.run(["true", CANARY], check=True)
