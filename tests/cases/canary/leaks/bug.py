"""what is written down of a bug: raw"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.canary import CANARY

REPORT = Path(tempfile.gettempdir(), f"reconciler-bug-{os.getpid()}.txt")


@pytest.fixture(scope="session", autouse=True)
def removed_at_the_end():
    yield
    REPORT.unlink()


def test():
    REPORT.write_text(CANARY)
