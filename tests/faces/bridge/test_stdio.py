"""Lines on real descriptors: pipes, sockets and files, short reads, readers that are slow or gone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.faces.bridge.stdio import Output, lines
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:bridge")]


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; whoever closes one sets nothing free twice."""
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        for end in (read, write):
            try:
                os.close(end)
            except OSError:
                continue


async def test_lines_are_cut_wherever_the_reads_end() -> None:
    with pipe() as (read, write), anyio.fail_after(10):
        found = lines(read, 20)
        os.write(write, b"one\ntw")
        assert await anext(found) == b"one"
        os.write(write, b"o\n\nthree\n")
        assert [await anext(found) for _ in range(3)] == [b"two", b"", b"three"]
        os.write(write, b"no end")
        os.close(write)
        assert [line async for line in found] == []


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_line_of_the_limit_passes_and_a_longer_one_is_skipped_whole(extra: int) -> None:
    limit = 200_000
    with pipe() as (read, write), anyio.fail_after(10):
        found = lines(read, limit)
        sending = asyncio.create_task(asyncio.to_thread(_write_all, write, b"x" * (limit + extra) + b"\nnext\n"))
        first, second = await anext(found), await anext(found)
        await sending
        assert first == (None if extra else b"x" * limit)
        assert second == b"next"


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)


async def test_a_file_and_nothing_at_all_are_read_to_their_end(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\n")
    with path.open("rb") as file, Path(os.devnull).open("rb") as nothing, anyio.fail_after(10):
        assert [line async for line in lines(file.fileno())] == [b"a", b"b"]
        assert [line async for line in lines(nothing.fileno())] == []


async def test_a_socket_is_as_good_as_a_pipe() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, anyio.fail_after(10):
        output = Output(ours.fileno(), lambda: None)
        await output.send(b"there")
        assert theirs.recv(100) == b"there\n"
        theirs.send(b"back\n")
        assert await anext(lines(ours.fileno())) == b"back"


async def test_lines_stay_whole_and_in_order_when_the_reader_is_slow() -> None:
    with pipe() as (read, write), anyio.fail_after(20):
        output = Output(write, lambda: None)
        texts = [bytes([65 + number % 26]) * (number * 9_000) for number in range(60)]
        sending = asyncio.gather(*(output.send(text) for text in texts))
        found = lines(read)
        assert [await anext(found) for _ in texts] == texts
        await sending


async def test_a_sender_waits_while_too_much_is_unread() -> None:
    with pipe() as (read, write), anyio.fail_after(20):
        output = Output(write, lambda: None)
        sending = asyncio.create_task(output.send(b"x" * 9_000_000))
        found = lines(read, 10_000_000)
        await checkpoint()
        assert not sending.done()
        assert len(await anext(found) or b"") == 9_000_000
        await sending


async def test_a_reader_that_is_gone_is_noticed_and_never_an_error() -> None:
    with pipe() as (read, write), anyio.fail_after(10):
        broken = asyncio.Event()
        output = Output(write, broken.set)
        os.close(read)
        await output.send(b"nobody")
        await broken.wait()
        await output.send(b"hears this")
