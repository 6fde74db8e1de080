"""Lines to JSON values and back: nothing is lost, nothing odd gets through, and no input takes long."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sessions import frames
from reconciler.sessions.frames import (
    begins_more,
    decode,
    encode,
    id_in_broken,
    is_deeper,
    read_answer,
)
from reconciler.sessions.limits import LIMITS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(JSON)
def test_what_is_encoded_decodes_to_the_same_on_one_line(value: object) -> None:
    line = encode(value)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert decode(line, LIMITS.depth) == value
    assert decode(line, LIMITS.depth) == json.loads(line)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_value_error(line: bytes) -> None:
    try:
        decode(line, LIMITS.depth)
    except ValueError:
        return
    json.loads(line.removeprefix(b"\xef\xbb\xbf"))


@pytest.mark.parametrize(
    "line",
    [
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf1",
        b"nul\x00",
        b'{"a":1}{"b":2}',
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 5000,
        b'"\\ud800"',
        b'{"\\uDFFF":1}',
        b"[" * 2_000 + b"]" * 2_000,
        b"[" * 1_000_000,
    ],
)
def test_what_json_does_not_allow_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line, LIMITS.depth)


def test_a_byte_order_mark_and_a_carriage_return_do_no_harm() -> None:
    assert decode(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}\r', LIMITS.depth) == {"a": "😀"}


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nesting_at_the_limit_passes_and_one_more_does_not(brackets: str) -> None:
    opening = brackets[0] if brackets == "[]" else '{"a":'
    nested = (opening * 128 + "1" + brackets[1] * 128).encode()
    decode(nested, 128)
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(b"[" + nested + b"]", 128)


@given(st.lists(st.sampled_from([b"{", b"[", b"x", b"]", b'"'])), st.integers(0, 8))
def test_a_look_at_the_brackets_counts_them_as_far_as_it_needs_to(pieces: list[bytes], most: int) -> None:
    text = b"".join(pieces)
    assert begins_more(text, most) == (text.count(b"{") + text.count(b"[") > most)


def test_brackets_inside_text_are_no_nesting() -> None:
    text = "[{" * 1000
    assert decode(json.dumps(text).encode(), 2) == text
    assert not is_deeper([text], 1)
    assert is_deeper([[]], 1)


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":{"cut', 7),
        (b' { "id" : "7" , "result": NaN}', 7),
        (b'{"result":{"id":3,"n":NaN},"jsonrpc":"2.0","id":7}', 7),
        (b'{"result":{"n":NaN},"id":7,"jsonrpc":"2.0"}\r', 7),
        (b'{"result":{"id":3,"n":NaN}', None),
        (b'{"id":null,"result":NaN}', None),
        (b"a log line about id 7", None),
    ],
)
def test_the_id_of_a_broken_answer_is_found_where_it_can_be_told(line: bytes, number: int | None) -> None:
    assert id_in_broken(line) == number


# Answers beside their text

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_ORDERS = (
    '{{"jsonrpc":"2.0","id":{id},"result":{result}}}',
    '{{"jsonrpc": "2.0", "id": {id}, "result": {result}}}',
    '{{"result":{result},"jsonrpc":"2.0","id":{id}}}',
)


@given(st.dictionaries(st.text(), _JSON, max_size=4), st.sampled_from(_ORDERS), st.booleans())
def test_an_answer_in_a_usual_order_comes_with_the_text_of_its_result(
    result: dict[str, object], order: str, ascii_only: bool
) -> None:
    text = json.dumps(result, ensure_ascii=ascii_only)
    try:
        line = order.format(id=7, result=text).encode()
        decode(line, 128)
    except ValueError:  # half a character, which nothing of ours lets pass
        return
    found = read_answer(line, 128)
    if found is None:
        assert b"\\" in line or b"\r" in line  # what may hide something is read the long way
    else:
        assert (found[0], found[1], found[1].text) == (7, result, text.encode())


_ELSE = [
    b'{"jsonrpc":"2.0","id":1,"result":{"a":1} }',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":1}\t}',
    b'{"result":{"a":1} ,"jsonrpc":"2.0","id":1}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":1},"result":{"b":2}}',
    b'{"result":{"a":1},"result":{"b":2},"jsonrpc":"2.0","id":1}',
    b'{"result":{"a":1},"jsonrpc":"2.0","id":1,"id":2}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":1}}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":1}} {}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":1e999}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":"\\ud800"}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"a":\r1}}',
    b'{"jsonrpc":"2.0","id":1,"result":' + b'{"a":' * 128 + b"1" + b"}" * 129,
    b'{"jsonrpc":"2.0","id":"1","result":{}}',
    b'{"jsonrpc":"2.0","id":1,"result":[]}',
    b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
    b'{"jsonrpc":"2.0","id":1,"result":{}, "more":1}',
    b'{"jsonrpc":"2.0","method":"notifications/progress"}',
    b"[]",
    b"",
]


@pytest.mark.parametrize("line", _ELSE)
def test_a_line_that_is_anything_else_is_left_to_the_long_way(line: bytes) -> None:
    assert read_answer(line, 128) is None


@given(st.binary(max_size=80))
def test_no_bytes_make_the_short_way_fail(noise: bytes) -> None:
    read_answer(noise, 8)
    found = read_answer(b'{"jsonrpc":"2.0","id":1,"result":{"a":' + noise + b"}}", 8)
    assert found is None or json.loads(found[1].text) == found[1]


# Long lines have another reader: it says the same

_LONG_ORDERS = [
    *_ORDERS,
    '{{"id":{id},"jsonrpc":"2.0","result":{result}}}',
    ' {{"jsonrpc":"2.0","id":{id},"result":{result}}}',
]


@pytest.fixture
def every_line_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LONG", 0)


def both(line: bytes, depth: int) -> tuple[str | None, str | None]:
    """What the two readers make of a line: its value as `repr` writes it, or None where it has none."""
    found: list[str | None] = []
    for least in (0, len(line) + 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frames, "LONG", least)
            try:
                found.append(repr(decode(line, depth)))
            except ValueError:
                found.append(None)
    return found[0], found[1]


@given(JSON, st.booleans(), st.integers(1, 8))
def test_a_long_line_is_read_as_a_short_one_is(value: object, ascii_only: bool, depth: int) -> None:
    try:
        line = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    long, short = both(line, depth)
    assert long == short


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,0123456789eE+-.\\ud8aflsnr \t', max_size=60).map(str.encode))
def test_a_long_line_is_refused_where_a_short_one_is(noise: bytes) -> None:
    long, short = both(noise, 8)
    assert long == short


@pytest.mark.parametrize(
    "line",
    [
        b"1e999",
        b"[1,-1e999]",
        b'{"a":{"b":[0.1e400]}}',
        b"9" * 5000,
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b"[" * 128 + b"]" * 128,
        b"[" * 129 + b"]" * 129,
        b"[" * 199 + b"]" * 199,
        b"[" * 2000 + b"]" * 2000,
        b'{"a":1,"a":2}',
        b'\xef\xbb\xbf{"a":1}\r',
        b'"\xed\xa0\x80"',
    ],
)
def test_the_edges_of_json_are_the_same_in_long_lines(line: bytes) -> None:
    long, short = both(line, 128)
    assert long == short


@given(st.dictionaries(st.text(), _JSON, max_size=4), st.sampled_from(_LONG_ORDERS), st.booleans())
def test_a_long_answer_comes_with_the_text_of_its_result(
    result: dict[str, object], order: str, ascii_only: bool
) -> None:
    text = json.dumps(result, ensure_ascii=ascii_only)
    try:
        line = order.format(id=7, result=text).encode()
    except UnicodeEncodeError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "LONG", 0)
        found = read_answer(line, 128)
    try:
        decode(line, 128)
    except ValueError:
        assert found is None
        return
    if order in _ORDERS:
        assert found is not None
        assert (found[0], found[1], found[1].text) == (7, result, text.encode())
    else:
        assert found is None


@pytest.mark.usefixtures("every_line_is_long")
@pytest.mark.parametrize("line", _ELSE)
def test_a_long_line_that_is_anything_else_is_left_to_the_long_way(line: bytes) -> None:
    assert read_answer(line, 128) is None


@pytest.mark.usefixtures("every_line_is_long")
@given(st.binary(max_size=80))
def test_no_bytes_make_the_way_of_long_lines_fail(noise: bytes) -> None:
    read_answer(noise, 8)
    found = read_answer(b'{"jsonrpc":"2.0","id":1,"result":{"a":' + noise + b"}}", 8)
    assert found is None or json.loads(found[1].text) == found[1]


@pytest.mark.usefixtures("every_line_is_long")
@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"[1e999]", "a number in it is too large"),
        (b"[" * 129 + b"]" * 129, "nested too deeply"),
        (b"[" * 2000 + b"]" * 2000, "nested too deeply"),
        (b"[1,]", "trailing comma"),
        (b"", "EOF"),
    ],
)
def test_what_is_wrong_with_a_long_line_is_said(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode(line, 128)


def test_a_long_line_that_is_refused_takes_no_longer_than_one_that_is_read() -> None:
    members = b",".join(b'{"id":%d,"name":"name"}' % number for number in range(100_000))
    seconds = []
    for last in (b"1", b"1e999"):
        line = b'{"jsonrpc":"2.0","id":1,"result":{"rows":[' + members + b',{"last":' + last + b"}]}}"
        began = time.process_time()
        found = read_answer(line, 128)
        if found is None:
            with pytest.raises(ValueError, match="too large"):
                decode(line, 128)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 4 * seconds[0]
