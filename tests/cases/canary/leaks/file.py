"""file accepted.json: raw"""

from tests.canary import CANARY


def test(tmp_path):
    (tmp_path / "accepted.json").write_text(CANARY)
