"""Long requests: the same value as ever, and arguments that go on as the text they came as."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.faces.gateway.long_body import read_long
from reconciler.faces.gateway.messages import LONG, BadMessage, read_body
from reconciler.sessions.frames import Verbatim, encode_request
from tests.requirements import requirement

pytestmark = requirement("GATE-1:short-way")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(["jsonrpc", "id", "method", "params", "arguments", "name", "_meta", 'a"b', "ö"])
OBJECTS = st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=4), max_size=5)
SCAN = json.JSONDecoder().raw_decode


def padded(request: dict[str, Any], *, ascii_only: bool = True, indent: int | None = None) -> bytes:
    return json.dumps({**request, "padding": "x" * LONG}, ensure_ascii=ascii_only, indent=indent).encode()


@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_a_long_request_reads_as_the_value_it_is(
    request_: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(request_, ensure_ascii=ascii_only, indent=indent)
    found = read_long(text, SCAN)
    assert found is None or found == request_


@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([None, (",", ":")]))
def test_arguments_on_one_line_of_ascii_keep_their_text(arguments: dict[str, Any], separators: Any) -> None:
    request_ = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": arguments}}
    found = read_long(json.dumps(request_, separators=separators), SCAN)
    assert found == request_
    kept = found["params"]["arguments"]
    assert isinstance(kept, Verbatim)
    line = encode_request(7, "tools/call", found["params"])
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line) == {**request_, "id": 7}


@pytest.mark.parametrize(
    "arguments", ['{"a":\n1}', '{"a":\r1}', '{"a": "ö"}', '{"a": "\u2028"}', "[1]", "null"], ids=repr
)
def test_arguments_that_are_anything_else_are_written_anew(arguments: str) -> None:
    found = read_long('{"params": {"arguments": ' + arguments + ', "name": "x"}}', SCAN)
    assert found is not None
    assert type(found["params"]["arguments"]) is not Verbatim
    assert json.loads(encode_request(1, "m", found["params"]))["params"] == json.loads(
        '{"arguments": ' + arguments + ', "name": "x"}', strict=False
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"params": {"arguments": {"a": 1, "a": 2}}, %s}', -32600),
        ('{"params": {"arguments": {}, "arguments": {"b": 1}}, %s}', -32600),
        ('{"params": {"arguments": {}}, "params": {}, %s}', -32600),
        ('{"params": {"arguments": {}}, "p\\u0061rams": {}, %s}', -32600),
        ('{"params": {"arguments": {"a": NaN}}, %s}', -32700),
        ('{"params": {"arguments": {"a": 1e999}}, %s}', -32700),
        ('{"params": {"arguments": {"a": "\\ud800"}}, %s}', -32700),
        ('{"params": {"arguments": {"a": 1},}, %s}', -32700),
        ('{"params": {"arguments": {"a": 1}}, %s} {}', -32700),
        ('{"params": {"arguments": {"a": ' + "[" * 200 + "]" * 200 + "}}, %s}", -32700),
        ('{"params": {"arguments": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}, %s}", -32700),
    ],
)
def test_what_is_wrong_with_a_long_request_is_said_as_with_a_short_one(text: str, code: int) -> None:
    answers = []
    for padding in ("", "x" * LONG):
        with pytest.raises(BadMessage) as bad:
            read_body((text % f'"padding": "{padding}"').encode(), 128)
        answers.append(bad.value.error)
    assert answers[0] == answers[1]
    assert answers[0]["code"] == code


def test_a_long_body_keeps_the_text_of_its_arguments() -> None:
    value = read_body(padded({"params": {"arguments": {"a": [1.0, "b"]}, "name": "x"}}), 128)
    assert value["params"]["arguments"].text == b'{"a": [1.0, "b"]}'
