"""JSON files are edited in place, too: their own indentation, spaces and line ends stay."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.edit import EditRefused, edit
from reconciler.merge_patch import apply, equal
from tests.config import drawn
from tests.config.test_edit import LAW, load
from tests.requirements import requirement

FILE = "servers.json"


@st.composite
def texts(draw: st.DrawFn) -> tuple[Any, str]:
    """A value and one of the ways programs and people write it."""
    value = draw(drawn.documents)
    indent = draw(st.sampled_from([None, 2, 4, "\t"]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", " : ")])) if indent is None else None
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    eol = draw(st.sampled_from(["\n", "\r\n"]))
    return value, text.replace("\n", eol) + draw(st.sampled_from(["", eol]))


@requirement("CFG-1:edit-keeps-comments")
@LAW
@given(texts(), st.data())
def test_the_edited_text_says_what_the_patch_says(before: tuple[Any, str], data: st.DataObject) -> None:
    value, text = before
    patch = data.draw(drawn.patches(value))
    assert equal(load(edit(text, patch, file=FILE), FILE), apply(value, patch))


@LAW
@given(drawn.documents, st.data())
def test_members_that_stay_keep_their_lines(value: dict[str, Any], data: st.DataObject) -> None:
    value.pop("one more", None)
    gone = [key for key in value if data.draw(st.booleans())]
    kept = {key: member for key, member in value.items() if key not in gone}
    after = edit(_indented(value), {"one more": 1, **dict.fromkeys(gone)}, file=FILE)
    assert after == _indented({**kept, "one more": 1})


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@LAW
@given(texts())
def test_what_was_added_can_be_removed_without_a_trace(before: tuple[Any, str]) -> None:
    value, text = before
    if value:
        after = edit(text, {"one more": {"a": [1]}}, file=FILE)
        assert edit(after, {"one more": None}, file=FILE) == text


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ("", {"a": 1}, '{\n  "a": 1\n}\n'),
        ("null", {"a": {"b": []}}, '{\n  "a": {\n    "b": []\n  }\n}'),
        ("{}\r\n", {"a": 1}, '{\r\n  "a": 1\r\n}\r\n'),
        ('{"a":{}}', {"a": {"b": [1, {"c": 2}]}}, '{"a":{"b":[1,{"c":2}]}}'),
        ('{"a": [1,2]}\n', {"a": [1, 3, 2], "b": "é"}, '{"a": [1, 3,2], "b": "é"}\n'),
        ('{\n\t"a": 1\n}\n', {"b": {"c": 1}}, '{\n\t"a": 1,\n\t"b": {\n\t\t"c": 1\n\t}\n}\n'),
        ('{\n  "a": [\n    1\n  ]\n}\n', {"a": [0, 1]}, '{\n  "a": [\n    0,\n    1\n  ]\n}\n'),
        ('{\n  "a": [\n    1\n  ]\n}\n', {"b": [2]}, '{\n  "a": [\n    1\n  ],\n  "b": [\n    2\n  ]\n}\n'),
        ('{"a": 1,\n "b": 2}\n', {"a": None}, '{\n "b": 2}\n'),
        ('{"a": 1,\n "b": 2}\n', {"b": None}, '{"a": 1}\n'),
        ('{"a": 1,\n "b": 2}\n', {"c": 3}, '{"a": 1,\n "b": 2,\n "c": 3}\n'),
        ('{"a": [[1], [2]]}', {"a": [[1, 3], [2]]}, '{"a": [[1, 3], [2]]}'),
        ('\ufeff{"a": 1}', {"a": 2}, '\ufeff{"a": 2}'),
    ],
)
def test_the_layout_of_the_file_stays(before: str, patch: dict[str, Any], after: str) -> None:
    assert edit(before, patch, file=FILE) == after


@pytest.mark.parametrize("text", ["[]", "1", '{"a": 1', '{"a": 1, "a": 2}', '{"a": 1,} // b'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(EditRefused):
        edit(text, {"b": 2}, file=FILE)


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(EditRefused, match="by hand"):
        edit('{"a": 1}', {"a": float("nan")}, file=FILE)
