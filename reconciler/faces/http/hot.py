"""Requests whose head came before, byte for byte, on the same connection: what that head means is known by now.

Most clients keep their connection and send the same head again and again, but for the length of the body. An app may
say what it learnt of a head (`scope["learn"]`); from then on it is given the bodies behind that head without any
parser, task or routing in between. Whatever it does not take goes the usual way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

_HEAD = re.compile(rb"post /[!-~]* http/1\.1\r\n(?:[a-z0-9!#$%&'*+.^_`|~-]+:[\t -~\x80-\xff]*\r\n)+\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,8})\r\n")
_OTHERWISE = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade):|\r\nconnection:(?![ \t]*keep-alive[ \t]*\r\n)")
MOST_HEADS = 8
"""Remembered of one connection; the newest stay."""
MOST_HEAD = 4 * 1024
"""Bytes of a head that is remembered."""
MOST_BODY = 128 * 1024
"""Bytes of a body behind a known head that is waited for here, where nobody counts them: on every connection that there
may be, they are together what an app lets be asked at a time. A longer body goes the usual way, piece by piece."""


class Line(Protocol):
    """The connection, for the request that is being answered on it."""

    def answer(self, body: bytes) -> None:
        """Answer with JSON and status 200."""
        ...

    def hand_over(self, begun: Begun) -> None:
        """Let the request go the usual way after all, with what was begun in `scope["begun"]`."""
        ...


class Begun(Protocol):
    """A request that was taken and not answered yet."""

    def hand_over(self) -> None:
        """Go the usual way from here on: calls `Line.hand_over`."""
        ...

    def drop(self) -> None:
        """It was handed over, and nobody took it up."""
        ...


class Known(Protocol):
    """What an app learnt of a head."""

    def begin(self, body: bytes, line: Line) -> Begun | None:
        """Take a request with this head. None when it has to go the usual way; then nothing was done."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The bytes of a head before and after the length of the body."""

    before: bytes
    after: bytes
    known: Known

    def spans(self, data: bytes) -> tuple[int, int]:
        """Where the body begins and ends, of a request that begins like `data`; nothing where it has another head."""
        start = len(self.before)
        end = data.find(b"\r", start, start + 9)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self.before) or not data.startswith(self.after, end):
            return 0, 0
        begins = end + len(self.after)
        return begins, begins + int(digits)


def learnt(data: bytes | bytearray, known: Known) -> Head | None:
    """The head of a whole request; None where a head alone does not say how it is to be read."""
    end = data.find(b"\r\n\r\n") + 4
    head = bytes(data[:end]).lower()
    lengths = _LENGTH.findall(head)
    if len(lengths) != 1 or head.count(b"content-length") != 1 or int(lengths[0]) != len(data) - end:
        return None
    if len(head) > MOST_HEAD or not _HEAD.fullmatch(head) or _OTHERWISE.search(head):
        return None
    found = _LENGTH.search(head)
    assert found is not None
    return Head(bytes(data[: found.start(1)]), bytes(data[found.end(1) : end]), known)
