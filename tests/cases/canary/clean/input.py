"""A file that a person writes."""

from tests.canary import CANARY


def test(tmp_path):
    (tmp_path / "reconciler.yaml").write_text(CANARY)
