"""Bytes to lines: they come out as they went in, however the stream is cut, and no input takes long or much room."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sessions.framer import PIECE, Framer, LineTooLong
from reconciler.sessions.limits import LIMITS, MIB


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


def test_a_long_line_comes_out_whole_whatever_the_sizes_of_its_pieces() -> None:
    sizes = [1, PIECE - 1, PIECE, 1, 1, PIECE + 1, 3 * PIECE, 7, PIECE // 2, PIECE // 2, 2]
    stream = bytes(number % 240 + 11 for number in range(sum(sizes)))
    framer, at = Framer(len(stream)), 0
    for size in sizes:
        framer.feed(stream[at : at + size])
        assert framer.next_line() is None
        at += size
    framer.feed(b"\nnext\n")
    assert lines_of(framer) == [stream, b"next"]
    framer.feed(b"begun")
    assert framer.next_line() is None
    framer.clear()
    framer.feed(b"new\n")
    assert lines_of(framer) == [b"new"]


def test_a_long_line_byte_by_byte_takes_no_more_room_than_it_is_long() -> None:
    framer = Framer(MIB)
    tracemalloc.start()
    try:
        for _ in range(MIB):
            framer.feed(b"x")
            assert framer.next_line() is None
        assert tracemalloc.get_traced_memory()[1] < 1.5 * MIB
    finally:
        tracemalloc.stop()
