"""file log: raw"""

import pytest

from tests.canary import CANARY


@pytest.fixture
def late(tmp_path):
    yield
    (tmp_path / "log").write_text(CANARY)


def test(late):
    pass
