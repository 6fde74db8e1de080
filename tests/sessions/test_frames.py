"""Bytes to lines to JSON values: nothing is lost, nothing odd gets through, and no input takes long."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sessions.frames import (
    Framer,
    LineTooLong,
    begins_more,
    decode,
    encode,
    id_in_broken,
    is_deeper,
    read_answer,
)
from reconciler.sessions.limits import LIMITS, MIB

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def lines_of(framer: Framer) -> list[bytes]:
    return list(iter(framer.next_line, None))


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.data())
def test_lines_come_out_as_they_went_in_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer, found = Framer(100), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        framer.feed(stream[start:end])
        found += lines_of(framer)
    assert found == lines


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_a_line_at_the_limit_passes_and_one_byte_more_does_not(ending: bytes) -> None:
    framer = Framer(10)
    framer.feed(b"short\n" + b"x" * 10 + ending)
    assert lines_of(framer) == [b"short", b"x" * 10][: 2 if ending else 1]
    framer = Framer(10)
    framer.feed(b"short\n" + b"x" * 11 + ending)
    assert framer.next_line() == b"short"
    with pytest.raises(LineTooLong):
        framer.next_line()


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    framer = Framer(LIMITS.line)
    began = time.process_time()
    for _ in range(4 * MIB // 1024):
        framer.feed(b"x" * 1024)
        assert framer.next_line() is None
    assert time.process_time() - began < 1


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


@pytest.mark.parametrize(
    "line",
    [
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
    ],
)
def test_a_line_that_is_anything_else_is_left_to_the_long_way(line: bytes) -> None:
    assert read_answer(line, 128) is None


@given(st.binary(max_size=80))
def test_no_bytes_make_the_short_way_fail(noise: bytes) -> None:
    read_answer(noise, 8)
    found = read_answer(b'{"jsonrpc":"2.0","id":1,"result":{"a":' + noise + b"}}", 8)
    assert found is None or json.loads(found[1].text) == found[1]
