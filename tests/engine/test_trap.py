"""Nothing that an editor sends makes a program run, a few hundred bodies of it: the campaign is `tests.engine.trap`."""

from __future__ import annotations

from pathlib import Path

from tests.engine.trap import campaign
from tests.requirements import requirement


@requirement("API-3:holds")
def test_no_body_of_an_editor_runs_anything_under_an_engine_that_says_yes_to_all(tmp_path: Path) -> None:
    told = campaign(tmp_path, 300, 5)
    assert told.wrong == []
    assert told.answers[200] > 50
    assert told.restarts
    assert told.yeses
