"""How many writes an answer takes, and that nothing waits for more than a turn of the loop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from anyio.lowlevel import checkpoint

from reconciler.faces.http.one_write import OneWrite
from reconciler.faces.http.unread import Unread
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:connections"), pytest.mark.anyio]
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Transport:
    """Keeps what is written, each write as one."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, parts: Sequence[bytes]) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


async def test_a_head_and_its_body_go_out_in_one_write() -> None:
    transport = Transport()
    whole = OneWrite(transport, Unread(transport, 1.0))
    whole.write(HEAD)
    assert transport.writes == []
    whole.write(b"body")
    whole.write(b"more")
    await checkpoint()
    assert transport.writes == [HEAD + b"body", b"more"]


async def test_a_head_without_a_body_waits_for_no_more_than_a_turn_of_the_loop() -> None:
    transport = Transport()
    whole = OneWrite(transport, Unread(transport, 1.0))
    whole.write(HEAD)
    await checkpoint()
    assert transport.writes == [HEAD]
    whole.write(HEAD)
    whole.close()
    assert (transport.writes, transport.closed, whole.is_closing()) == ([HEAD, HEAD], True, True)


async def test_everything_else_is_the_transport_s_own() -> None:
    transport = Transport()
    assert OneWrite(transport, Unread(transport, 1.0)).get_extra_info("socket") == "the socket"


async def test_to_who_is_gone_nothing_is_written() -> None:
    transport = Transport()
    whole = OneWrite(transport, Unread(transport, 1.0))
    whole.write(HEAD)
    transport.closed = True
    await checkpoint()
    whole.write(HEAD)
    whole.write(b"body")
    await checkpoint()
    whole.close()
    assert transport.writes == []
