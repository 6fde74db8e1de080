"""Pipe ends on the loop: rations, room, and the log of standard error, each at its limit and one over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import anyio
import pytest

from reconciler.sessions.framer import LineTooLong
from reconciler.sessions.limits import Limits
from reconciler.sessions.stderr import LONGEST_PARTIAL, LogFile, Mask, StderrDrain
from reconciler.sessions.streams import REMEMBERED, LineReader, LineWriter, Ration
from tests.requirements import requirement
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("CFG-3:stdio")]


@pytest.fixture
async def pipe() -> AsyncIterator[tuple[IO[bytes], IO[bytes]]]:
    """Reading and writing end, unbuffered."""
    read, write = os.pipe()
    with os.fdopen(read, "rb", 0) as reading, os.fdopen(write, "wb", 0) as writing, anyio.fail_after(5):
        yield reading, writing


Pipe = tuple[IO[bytes], IO[bytes]]


def test_a_ration_gives_its_burst_at_once_and_its_rate_in_the_long_run() -> None:
    ration = Ration(rate=10, burst=5)
    assert [ration.take(1, now=100.0) for _ in range(6)] == [True] * 5 + [False]
    assert [ration.take(1, now=100.25) for _ in range(3)] == [True, True, False]
    assert [ration.take(1, now=9999.0) for _ in range(6)] == [True] * 5 + [False]


def test_that_a_ration_did_not_do_is_remembered_for_a_while() -> None:
    ration = Ration(rate=10, burst=5)
    assert (ration.take(5, now=0.0), ration.was_short(0.0)) == (True, False)
    assert not ration.take(1, now=0.0)
    assert (ration.was_short(0.0), ration.was_short(REMEMBERED - 1)) == (True, True)
    assert ration.take(1, now=REMEMBERED - 1)
    assert not ration.was_short(REMEMBERED)


async def test_unasked_lines_beyond_the_ration_make_the_server_wait(pipe: Pipe) -> None:
    taken: list[bytes] = []
    paused_at: list[float] = []
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take(line: bytes) -> bool:
        taken.append(line)
        paused_at.append(loop.time())
        return False

    reader = LineReader(pipe[0], take, lambda _: ended.set(), Limits(unasked_per_second=10))
    pipe[1].write(b"x\n" * 12)
    pipe[1].close()
    await ended.wait()
    reader.close()
    assert len(taken) == 12
    assert paused_at[10] - paused_at[0] < paused_at[11] - paused_at[10], "only the eleventh was one too many"


async def test_asked_lines_are_not_rationed_and_the_rest_after_the_last_end_is_dropped(pipe: Pipe) -> None:
    taken: list[bytes] = []
    ended = asyncio.Event()
    LineReader(pipe[0], lambda line: not taken.append(line), lambda _: ended.set(), Limits(unasked_per_second=1))
    pipe[1].write(b"x\n" * 1000 + b"rest")
    pipe[1].close()
    await ended.wait()
    assert taken == [b"x"] * 1000


@requirement("LIVE-2:death-noticed")
@pytest.mark.parametrize(("lines", "asked"), [(0, True), (3, True), (500, True), (12, False)])
async def test_what_the_dead_wrote_is_read_out_although_another_holds_the_pipe(
    pipe: Pipe, lines: int, asked: bool
) -> None:
    taken: list[bytes] = []
    ended = asyncio.Event()

    def take(line: bytes) -> bool:
        taken.append(line)
        return asked

    reader = LineReader(pipe[0], take, lambda _: ended.set(), Limits(unasked_per_second=10))
    pipe[1].write(b"x\n" * lines + b"half a li")
    if lines == 12:
        await come_true(lambda: len(taken) > 10, 5)
    reader.read_out()
    await ended.wait()
    assert len(taken) == lines
    assert not pipe[1].closed


async def test_an_end_is_told_before_the_pipe_is_closed_of_which_the_writer_may_die(pipe: Pipe) -> None:
    told: list[tuple[bool, bool]] = []
    ended = asyncio.Event()

    def end(error: LineTooLong | None) -> None:
        told.append((error is not None, pipe[0].closed))
        ended.set()

    LineReader(pipe[0], lambda _: True, end, Limits(line=10))
    pipe[1].write(b"x" * 11)
    await ended.wait()
    assert told == [(True, False)]
    assert pipe[0].closed


async def test_a_channel_is_full_at_its_limit_and_says_when_there_is_room(pipe: Pipe) -> None:
    writer = LineWriter(pipe[1], lambda: None, Limits(queue=100))
    capacity = 65536
    writer.send(b"x" * capacity)
    writer.send(b"y" * 99)
    assert not writer.full
    writer.send(b"z")
    assert writer.full
    room = writer.room()
    assert len(os.read(pipe[0].fileno(), capacity)) == capacity
    await room
    assert not writer.full
    assert os.read(pipe[0].fileno(), capacity) == b"y" * 99 + b"z"
    writer.close()
    writer.send(b"into nothing")
    writer.close()


async def test_a_reader_that_is_gone_is_reported_once(pipe: Pipe) -> None:
    broken: list[None] = []
    writer = LineWriter(pipe[1], lambda: broken.append(None), Limits())
    pipe[0].close()
    writer.send(b"one\n")
    writer.send(b"two\n")
    assert broken == [None]


@pytest.mark.parametrize(("size", "kept"), [(100, 100), (101, 100)])
async def test_the_end_of_standard_error_is_kept_up_to_its_limit(pipe: Pipe, size: int, kept: int) -> None:
    drain = StderrDrain(pipe[0], str, None, Limits(stderr=100))
    pipe[1].write(b"\xff" + b"x" * (size - 1))
    while drain.read_some():
        pass
    assert len(drain.tail(1)[0]) == kept
    assert drain.tail(1)[0].startswith("\ufffd") == (size == kept)
    drain.close()


def test_a_log_file_at_its_limit_stays_and_one_byte_more_starts_another(tmp_path: Path) -> None:
    path, limits = tmp_path / "log", Limits(log_file=10)
    log = LogFile(path, limits)
    for line in (b"12345678\n", b"\n"):
        log.write(line, str, 0.0)
    assert path.read_text() == "12345678\n\n"
    log.write(b"\n", str, 0.0)
    assert (path.read_text(), (tmp_path / "log.1").read_text()) == ("\n", "12345678\n\n")
    log.write(b"abcdefghi\n", str, 0.0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log", "log.1"]
    assert (tmp_path / "log.1").read_text() == "\n"


def test_a_log_beyond_its_ration_says_how_much_is_missing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", Limits(log_per_second=10))
    log.write(b"x" * 39 + b"\n", str, 1000.0)
    log.write(b"lost\n", str, 1000.0)
    log.write(b"back\n", str, 1001.0)
    assert (tmp_path / "log").read_text() == "x" * 39 + "\n[5 bytes were not written here]\nback\n"
    assert log.unlogged == 5


def test_a_log_writes_whole_lines_so_that_no_secret_is_cut(tmp_path: Path) -> None:
    log, hide = LogFile(tmp_path / "log", Limits()), Mask(["secret-word"]).hide
    log.write(b"a sec", hide, 0.0)
    assert not (tmp_path / "log").exists()
    log.write(b"ret-word\nrest of secret", hide, 0.0)
    log.write(b"-word", hide, 0.0)
    log.flush(hide)
    assert (tmp_path / "log").read_text() == "a ***\nrest of ***\n"
    LogFile(tmp_path / "log", Limits()).write(b"the next process\n", hide, 0.0)
    assert (tmp_path / "log").read_text().splitlines() == ["a ***", "rest of ***", "the next process"]


def test_a_line_that_never_ends_is_not_kept_for_ever(tmp_path: Path) -> None:
    log, rate = LogFile(tmp_path / "log", Limits()), Limits().log_per_second
    count = LONGEST_PARTIAL // rate + 1
    for second in range(count):
        log.write(b"x" * rate, str, float(second))
    log.write(b"\n", str, float(count))
    assert (tmp_path / "log").read_text() == f"[{count * rate} bytes were not written here]\n\n"


def test_a_log_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to("target")
    for path in (tmp_path / "absent" / "log", tmp_path, tmp_path / "link"):
        LogFile(path, Limits()).write(b"words\n", str, 0.0)
    assert (tmp_path / "target").read_text() == ""


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("12345678", "is 12345678!", "is ***!"),
        ("1234567", "is 1234567!", "is 1234567!"),
        ("first-line\nsecond-line", "second-line first-line", "*** ***"),
        ("", "nothing", "nothing"),
    ],
)
def test_secrets_of_eight_characters_are_hidden_and_shorter_ones_would_hide_too_much(
    secret: str, text: str, shown: str
) -> None:
    assert Mask([secret]).hide(text) == shown
