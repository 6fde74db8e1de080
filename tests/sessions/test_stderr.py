"""Who prints too much on standard error waits for us, and is read to the end all the same."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator
from typing import IO

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.sessions import stderr
from reconciler.sessions.limits import Limits
from reconciler.sessions.stderr import StderrDrain
from tests.requirements import requirement
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:neighbours")]
TOO_MUCH = b"x" * 4096
FEW = Limits(stderr_per_second=len(TOO_MUCH) // 2)


@pytest.fixture
async def printing() -> AsyncIterator[IO[bytes]]:
    """The end that a server prints to; the other one is drained, with few bytes a second."""
    read, write = os.pipe()
    with os.fdopen(read, "rb", 0) as reading, os.fdopen(write, "wb", 0) as writing, anyio.fail_after(10):
        drain = StderrDrain(reading, str, None, FEW)
        try:
            yield writing
        finally:
            drain.close()


def unread(pipe: IO[bytes]) -> int:
    """How many bytes lie in a pipe."""
    found: tuple[int] = struct.unpack("i", fcntl.ioctl(pipe.fileno(), termios.FIONREAD, b"\0" * 4))
    return found[0]


async def test_who_prints_more_than_is_fair_is_read_later(printing: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stderr, "WAIT", 1000.0)
    printing.write(TOO_MUCH)
    await come_true(lambda: unread(printing) == 0, 5)
    printing.write(TOO_MUCH)
    for _ in range(20):
        await checkpoint()
    assert unread(printing) == len(TOO_MUCH)


async def test_all_of_it_is_read(printing: IO[bytes]) -> None:
    for _ in range(3):
        printing.write(TOO_MUCH)
        await come_true(lambda: unread(printing) == 0, 5)


async def test_who_prints_little_never_waits(printing: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stderr, "WAIT", 1000.0)
    for _ in range(3):
        printing.write(b"x")
        await come_true(lambda: unread(printing) == 0, 5)
