"""Data cases: before.yaml and after.yaml give plan.txt, plan.md and plan.json. ACCEPT=1 rewrites what is expected."""

import json
import os
from pathlib import Path

import pytest

from reconciler.plan.document import to_json
from reconciler.plan.render.markdown import render_markdown
from reconciler.plan.render.text import render_text
from tests.plan.scenes import scene
from tests.requirements import requirement

CASES = Path(__file__).parent.parent / "cases" / "plan"
ACCEPT = bool(os.environ.get("ACCEPT"))
FOLDERS = sorted(path for path in CASES.iterdir() if path.is_dir())
RENDERINGS = {"plan.txt": render_text, "plan.md": render_markdown, "plan.json": to_json}


@requirement("PLAN-3:json-markdown", "PLAN-1:merge-patch-and-actions")
@pytest.mark.parametrize("name", RENDERINGS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_case_renders_as_it_is_written_down(folder: Path, name: str) -> None:
    rendered = RENDERINGS[name](scene(folder).plan())
    if ACCEPT:
        (folder / name).write_text(rendered, encoding="utf-8")
    assert rendered == (folder / name).read_text(encoding="utf-8")


def test_there_is_a_case_for_every_action_and_mark() -> None:
    plans = [json.loads((folder / "plan.json").read_text(encoding="utf-8")) for folder in FOLDERS]
    actions = [action for plan in plans for action in plan["actions"]]
    assert {action["action"] for action in actions} == {
        *("create", "update", "reconnect", "enable", "disable", "regroup", "delete")
    }
    assert {mark for action in actions for mark in action["marks"]} == {"launch", "loosen"}
    assert {blocked["code"] for plan in plans for blocked in plan["safety"]["blocked"]} == {"mass-delete", "protected"}
    assert any(plan["drift"] for plan in plans)
    assert any(plan["fingerprints"] for plan in plans)
    assert len(FOLDERS) >= 20
