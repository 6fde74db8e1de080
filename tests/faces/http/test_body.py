"""Bodies are JSON as RFC 8259 has it, and nothing that two readers could understand in two ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.faces.http.body import DEEPEST, read_json
from reconciler.faces.http.problems import HttpProblem
from tests.requirements import requirement

pytestmark = requirement("API-3:malformed")

BROKEN = [
    b"",
    b" ",
    b"{",
    b"{}x",
    b"{'a': 1}",
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e999}',
    b'{"a": 01}',
    b'{"a": 1,}',
    b'{"a": 1, "a": 2}',
    b'{"b": [{"a": 1, "\\u0061": 2}]}',
    b'{"a": "\\ud800"}',
    b'{"\\udfff": 1}',
    b'{"a": "\xff"}',
    b"\xef\xbb\xbf{}",
    '{"a": 1}'.encode("utf-16"),
    '{"a": 1}'.encode("utf-32-le"),
    b'{"a": "\x00"}',
    b"[" * 100_000,
    b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1),
]


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_json_is_400_and_never_shown_back(data: bytes) -> None:
    with pytest.raises(HttpProblem) as refused:
        read_json(data)
    assert refused.value.status == 400
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "value",
    [{}, [], None, 7, "x", {"a": "\U0001f600 \\ud800 ä"}, {"a": [1.5, -0.0, 10**30, None, True]}],
)
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    for data in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert read_json(data.encode("utf-8")) == value
    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert read_json(deep) is not None
