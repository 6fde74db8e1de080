"""Data cases: a file and patches applied to it one after the other. ACCEPT=1 rewrites what is expected.

A folder holds `before.yaml` or `before.json`, and `<step>.patch.json` and `<step>.after.<yaml|json>` for each step.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.edit import edit
from tests.requirements import requirement

CASES = Path(__file__).parent.parent / "cases" / "edit"
SEED = CASES / "config-api-seed"
ACCEPT = bool(os.environ.get("ACCEPT"))


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def before_of(folder: Path) -> Path:
    return next(folder.glob("before.*"))


def patches_of(folder: Path) -> dict[str, Any]:
    """The patches of a folder by the name of their step, in order."""
    return {
        path.name.removesuffix(".patch.json"): json.loads(read(path)) for path in sorted(folder.glob("*.patch.json"))
    }


def steps_of(folder: Path) -> list[tuple[str, str]]:
    """The name of each step and the text after it."""
    path = before_of(folder)
    text, steps = read(path), []
    for name, patch in patches_of(folder).items():
        text = edit(text, patch, file=path.name)
        steps.append((f"{name}.after{path.suffix}", text))
    return steps


@requirement("CFG-1:edit-keeps-comments")
@pytest.mark.parametrize("folder", sorted(CASES.iterdir()), ids=lambda folder: folder.name)
def test_each_patch_changes_only_the_lines_it_must(folder: Path) -> None:
    steps = steps_of(folder)
    assert steps
    for name, text in steps:
        if ACCEPT:
            (folder / name).write_bytes(text.encode("utf-8"))
        assert text == read(folder / name)


@requirement("PLAN-2:patch-is-a-patch-body", "CFG-1:edit-keeps-comments")
def test_the_five_bodies_of_the_config_api_leave_every_other_byte_alone() -> None:
    before = read(before_of(SEED))
    added = [text for _, text in steps_of(SEED)]
    assert len(added) == 5
    for text in added:
        lines = iter(text.splitlines(keepends=True))
        assert all(line in lines for line in before.splitlines(keepends=True))
    assert edit(added[-1], {"mcpServers": {"remote-tools": None, "oauth-server": None}}, file="x.yaml") == before


@requirement("CFG-1:edit-keeps-comments")
def test_disabling_a_server_changes_one_word_of_the_file() -> None:
    _, _, third, fourth, _ = (text for _, text in steps_of(SEED))
    start, end = fourth.split("enabled: false\n    requireApproval: true\n", 1)
    assert third == start + "enabled: true\n    requireApproval: true\n" + end
