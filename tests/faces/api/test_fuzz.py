"""The short campaigns of generated requests: one file per role, `test_fuzz_*.py`, so that they run side by side."""

from __future__ import annotations

from pathlib import Path

from tests.faces.api.fuzz.__main__ import SHARES
from tests.faces.api.fuzz.campaign import NEVER_ASKED
from tests.requirements import requirement

pytestmark = requirement("OPS-1:fuzzed")


def test_the_shares_of_the_roles_are_a_whole() -> None:
    assert sum(SHARES.values()) == 1
    assert all(why for why in NEVER_ASKED.values())


def test_every_role_has_its_campaign() -> None:
    found = {path.stem.removeprefix("test_fuzz_") for path in Path(__file__).parent.glob("test_fuzz_*.py")}
    assert found == set(SHARES)
