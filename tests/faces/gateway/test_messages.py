"""Messages are read strictly: what two readers could read differently is read by none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.faces.gateway.messages import (
    BadMessage,
    Notification,
    Request,
    Response,
    batch,
    error_message,
    message_of,
    notification,
    read_body,
    result_message,
)
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:handshake-rules", "GATE-1:stateless-rules")]

DEPTH = 128


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"nonsense", -32700),
        (b'{"a": NaN}', -32700),
        (b'{"a": Infinity}', -32700),
        (b'{"a": -Infinity}', -32700),
        (b'{"a": 1e400}', -32700),
        (b'{"a": -1e999}', -32700),
        (b'{"a": 1} x', -32700),
        (b"\xff\xfe{}", -32700),
        (b'{"a": "\xff"}', -32700),
        (b"\xef\xbb\xbf{}", -32700),
        (b'{"a": "\\ud800"}', -32700),
        (b'{"a": "\\uD800"}', -32700),
        (b'{"\\udc00": 1}', -32700),
        (b"{'a': 1}", -32700),
        (b'{"a": 01}', -32700),
        (b'{"a": ' + b"9" * 5000 + b"}", -32700),
        (b'{"a": 1, "a": 2}', -32600),
        (b'{"method": "x", "method": "y"}', -32600),
        (b'{"params": {"name": "read", "name": "delete"}}', -32600),
        (b'{"a": {"b": [{"c": 1, "\\u0063": 2}]}}', -32600),
    ],
)
def test_what_is_no_json_of_one_reading_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(BadMessage) as refused:
        read_body(body, DEPTH)
    assert refused.value.error["code"] == code and refused.value.id is None


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '"\\\\ud800"', "1e308", "-0.0", "123456789012345678901234567890"])
def test_whatever_json_allows_is_read(text: str) -> None:
    assert read_body(text.encode(), DEPTH) == json.loads(text)


def test_a_message_nests_to_its_limit_and_no_deeper() -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        assert read_body(opening * DEPTH + b"1" + closing * DEPTH, DEPTH) is not None
        with pytest.raises(BadMessage):
            read_body(opening * (DEPTH + 1) + b"1" + closing * (DEPTH + 1), DEPTH)
    with pytest.raises(BadMessage):
        read_body(b"[" * 200_000 + b"]" * 200_000, DEPTH)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"jsonrpc": "2.0", "id": 1, "method": "m"}, Request(1, "m", {})),
        ({"jsonrpc": "2.0", "id": "a", "method": "m", "params": {"x": 1}}, Request("a", "m", {"x": 1})),
        ({"jsonrpc": "2.0", "id": 1, "method": "m", "params": None, "vendor": 1}, Request(1, "m", {})),
        ({"jsonrpc": "2.0", "method": "m"}, Notification("m", {})),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, Response(1, {}, None)),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}, Response(1, None, {"code": 1})),
    ],
)
def test_three_kinds_of_messages_are_known(value: Any, message: Any) -> None:
    assert message_of(value) == message


@pytest.mark.parametrize(
    ("value", "code", "number"),
    [
        ([], -32600, None),
        (7, -32600, None),
        (None, -32600, None),
        ({}, -32600, None),
        ({"jsonrpc": "2.0"}, -32600, None),
        ({"id": 5, "method": "m"}, -32600, 5),
        ({"jsonrpc": "1.0", "id": 5, "method": "m"}, -32600, 5),
        ({"jsonrpc": "2.0", "id": None, "method": "m"}, -32600, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "m"}, -32600, None),
        ({"jsonrpc": "2.0", "id": True, "method": "m"}, -32600, None),
        ({"jsonrpc": "2.0", "id": [], "method": "m"}, -32600, None),
        ({"jsonrpc": "2.0", "id": 5, "method": 7}, -32600, 5),
        ({"jsonrpc": "2.0", "id": 5, "method": "m", "params": []}, -32602, 5),
        ({"jsonrpc": "2.0", "id": 5, "method": "m", "params": "x"}, -32602, 5),
        ({"jsonrpc": "2.0", "id": 5}, -32600, 5),
        ({"jsonrpc": "2.0", "id": 5, "result": {}, "error": {}}, -32600, 5),
        ({"jsonrpc": "2.0", "id": 5, "result": 7}, -32600, 5),
        ({"jsonrpc": "2.0", "result": {}}, -32600, None),
        ({"jsonrpc": "2.0", "method": None, "id": 5, "result": {}}, -32600, 5),
    ],
)
def test_anything_else_is_refused_with_the_id_it_came_with(value: Any, code: int, number: Any) -> None:
    with pytest.raises(BadMessage) as refused:
        message_of(value)
    assert (refused.value.error["code"], refused.value.id) == (code, number)


def test_what_is_written_is_one_line_of_ascii_that_reads_the_same() -> None:
    failed = {"code": 1, "message": ""}
    strange = {"text": "ü\n\r\u2028\U0001f600 \ud800", "deep": [{"x": None}]}
    for body, wanted in (
        (result_message("ü", strange), {"jsonrpc": "2.0", "id": "ü", "result": strange}),
        (result_message(1, (b'{"ready":', memoryview(b" 1}"))), {"jsonrpc": "2.0", "id": 1, "result": {"ready": 1}}),
        (error_message(None, {"code": 1, "message": ""}), {"jsonrpc": "2.0", "id": None, "error": failed}),
        (notification("m", {}), {"jsonrpc": "2.0", "method": "m"}),
        (notification("m", {"a": 1}), {"jsonrpc": "2.0", "method": "m", "params": {"a": 1}}),
        (batch([b"1", b"2"]), [1, 2]),
    ):
        assert body.isascii() and b"\n" not in body and b"\r" not in body
        assert json.loads(body) == wanted


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({}, -32603, ""),
        ({"code": "x", "message": 5}, -32603, ""),
        ({"code": [], "message": "m", "data": 1}, -32603, "m"),
        ({"code": True, "message": "m"}, -32603, "m"),
        ({"code": 1.5, "message": "m"}, -32603, "m"),
        ({"code": 7, "message": None, "vendor": 1}, 7, ""),
        ({"code": -32602, "message": "m", "vendor": 1}, -32602, "m"),
    ],
)
def test_an_error_always_has_a_code_and_a_message(error: dict[str, Any], code: int, message: str) -> None:
    said = json.loads(error_message(1, error))["error"]
    assert said == {**error, "code": code, "message": message}
    assert type(said["code"]) is int
