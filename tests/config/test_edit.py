"""The law of the editor: reading the edited text gives the patched value, and nothing else of the text changes."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.config.edit import EditRefused, edit, parse
from reconciler.merge_patch import apply, equal
from tests.config import drawn
from tests.config.drawn import Drawn, Line, Path, comments_in
from tests.requirements import requirement

EXAMPLES = int(os.environ.get("EXAMPLES", "30"))
"""How often each law is tried; EXAMPLES=3000 for a long look."""
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
LAW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)


def load(text: str, file: str = "reconciler.yaml") -> Any:
    root, problems = parse(text, file)
    assert [problem for problem in problems if problem.code != "empty-file"] == []
    return root.value if root else {}


def changed_paths(have: Any, want: Any, path: Path = ()) -> set[Path]:
    """Where the two differ: at members that are gone, new or another value; a list is one value."""
    if isinstance(have, dict) and isinstance(want, dict):
        found = {(*path, key) for key in have.keys() ^ want.keys()}
        return found.union(*(changed_paths(have[key], want[key], (*path, key)) for key in have.keys() & want.keys()))
    return set() if equal(have, want) else {path}


def value_at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def stays(line: Line, changed: set[Path], want: Any) -> bool:
    """Whether nothing that changes stands on `line`."""
    if not line.text or any(line.path[: len(path)] == path for path in changed):
        return False
    inside = any(path[: len(line.path)] == line.path for path in changed)
    return not inside or (not line.closed and value_at(want, line.path) != {})


def is_subsequence(few: list[str], many: list[str]) -> bool:
    rest = iter(many)
    return all(any(line == other for other in rest) for line in few)


def comments_at(before: Drawn, wanted: Any) -> list[str]:
    return comments_in("\n".join(line.text for line in before.lines if wanted(line)))


def is_gone(path: Path, want: Any) -> bool:
    for key in path:
        if not isinstance(want, dict):
            return False
        if key not in want:
            return True
        want = want[key]
    return False


@st.composite
def edits(draw: st.DrawFn) -> tuple[Drawn, dict[str, Any], Any]:
    before = draw(drawn.texts())
    patch = draw(drawn.patches(before.value))
    return before, patch, apply(before.value, patch)


@requirement("CFG-1:edit-keeps-comments", "PLAN-2:patch-is-a-patch-body")
@LAW
@given(edits())
def test_the_edited_text_says_what_the_patch_says(drawn_edit: tuple[Drawn, dict[str, Any], Any]) -> None:
    before, patch, want = drawn_edit
    assert equal(load(before.text), before.value)
    assert equal(load(edit(before.text, patch, file="reconciler.yaml")), want)


@LAW
@given(edits())
def test_lines_on_which_nothing_changes_stay_as_they_are(drawn_edit: tuple[Drawn, dict[str, Any], Any]) -> None:
    before, patch, want = drawn_edit
    changed = changed_paths(before.value, want)
    kept = [line.text for line in before.lines if stays(line, changed, want)]
    assert is_subsequence(kept, edit(before.text, patch, file="reconciler.yaml").split(before.eol))


@requirement("CFG-1:edit-keeps-comments")
@LAW
@given(edits())
def test_comments_stay_but_for_those_of_removed_keys(drawn_edit: tuple[Drawn, dict[str, Any], Any]) -> None:
    before, patch, want = drawn_edit
    changed = changed_paths(before.value, want)
    left = comments_in(edit(before.text, patch, file="reconciler.yaml"))
    gone = comments_at(before, lambda line: is_gone(line.path, want))
    kept = comments_at(before, lambda line: stays(line, changed, want))
    assert len(left) == len(set(left))
    assert set(left) <= set(comments_in(before.text))
    assert not set(gone) & set(left)
    assert set(kept) <= set(left)


@LAW
@given(drawn.texts(), st.data())
def test_the_comment_of_a_value_outlives_it(before: Drawn, data: st.DataObject) -> None:
    simple = [key for key, value in before.value.items() if not isinstance(value, dict | list)]
    assume(simple)
    patch = {key: data.draw(drawn.leaves) for key in simple}
    assert comments_in(edit(before.text, patch, file="reconciler.yaml")) == comments_in(before.text)


@LAW
@given(drawn.texts(), drawn.values.filter(lambda value: value is not None))
def test_what_was_added_can_be_removed_without_a_trace(before: Drawn, value: Any) -> None:
    assume(before.value)
    after = edit(before.text, {"one more": value}, file="reconciler.yaml")
    assert edit(after, {"one more": None}, file="reconciler.yaml") == before.text


@LAW
@given(drawn.texts(), st.data())
def test_a_patch_that_changes_nothing_leaves_every_byte(before: Drawn, data: st.DataObject) -> None:
    same = {key: value for key, value in before.value.items() if data.draw(st.booleans()) and not holds_null(value)}
    assert edit(before.text, same, file="reconciler.yaml") == before.text


def holds_null(value: Any) -> bool:
    """Whether a merge patch with `value` would remove something."""
    return value is None or (isinstance(value, dict) and any(map(holds_null, value.values())))


def test_a_text_that_would_not_say_what_is_meant_is_refused_with_the_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.config.edit._rewrites", lambda *_: iter(["a: 1\nb: 3\n", "a: [\n"]))
    with pytest.raises(EditRefused, match="no careful edit of the text makes this change") as refused:
        edit("a: 1\n", {"b": 2}, file="a.yaml")
    assert refused.value.patch == {"b": 2}
