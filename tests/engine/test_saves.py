"""Many saves, good and bad, with an engine that 20 servers live in; and every beginning of every example."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.config.read import Reading, Source, read
from reconciler.engine.watch import judge
from reconciler.model.accepted import Accepted
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.plan.build import make_plan
from reconciler.problems import errors
from tests.requirements import requirement
from tests.rig.saves import CAMPAIGNS, ROOT, living, run

NOW = datetime(2026, 11, 21, tzinfo=UTC)
EXAMPLES = sorted([*(ROOT / "examples").glob("*/*.yaml"), *(ROOT / "examples").glob("*/.mcp.json")])


@pytest.mark.anyio
@requirement("APPLY-3:broken-edit", "APPLY-1:watch")
async def test_damaged_saves_disturb_nobody_each_edit_is_seen_and_of_a_flood_the_last(tmp_path: Path) -> None:
    """`python -m tests.rig.saves --long` does the same for longer, and measures."""
    async with living(tmp_path) as at:
        for name in CAMPAIGNS:
            found = await run(name, at, seed=6)
            assert found.well, found.to_json()
            assert found.calls >= found.saves / 10, found.to_json()


def reading(file: Path, text: bytes) -> Reading:
    """What the file says with this text; an overlay together with what it lies over."""
    main = file.with_name("reconciler.yaml")
    below = [Source(main.name, main.read_text("utf-8"))] if ".local" in file.name else []
    return read([*below, Source(file.name, text.decode("utf-8", "ignore"))], default_project="example")


@requirement("APPLY-3:broken-edit")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_beginning_of_an_example_takes_anything_away(example: Path) -> None:
    """A save that ends at any byte: it is held, whether its text is valid or not, or it means the same."""
    whole = example.read_bytes()
    accepted, last = Accepted(document=reading(example, whole).document()), None
    for cut in range(len(whole)):
        verdict, part = judge(whole, whole[:cut], renamed=True, quiet=3600), reading(example, whole[:cut])
        assert all(problem.place for problem in errors(part.problems)), cut
        if part.written is not None and (verdict.kind != "hold" or part.written != last):
            plan = make_plan(accepted, part.document(), Observed(), Pins(), now=NOW, repairs=False)
            assert verdict.kind == "hold" or plan.empty, cut
            last = part.written
