"""Where there is no place left: for connections, and for descriptors of the whole process."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from reconciler.faces.http.full import KEPT_BACK, QUIET, Full
from tests.faces.http.raw import PATIENCE
from tests.requirements import requirement
from tests.waiting import becomes_true

pytestmark = requirement("GATE-1:full")
LIMIT = 64
GOOD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def narrow(kind: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    words = [sys.executable, "-m", "tests.faces.http.narrow", str(LIMIT), kind]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def answered(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
        try:
            one.sendall(GOOD)
            return b" 200 " in one.recv(4096)
        except ConnectionError:
            return False


@pytest.mark.parametrize("kind", ["plain", "fast"])
def test_a_process_without_descriptors_goes_on_for_those_who_ask_and_says_so_once(kind: str) -> None:
    with narrow(kind) as (process, port), ExitStack() as stack:
        for _ in range(3 * LIMIT):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        assert becomes_true(lambda: answered(port), PATIENCE)
        assert all(answered(port) for _ in range(20))
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert said.count("descriptors") == 1


class Numbered:
    """A transport whose socket has this number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self

    def fileno(self) -> int:
        return self.number


def test_the_last_place_is_taken_and_one_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (100, 100))
    full = Full(3, said.append)
    assert not full.is_now(2, Numbered(100 - KEPT_BACK - 1))
    assert said == []
    assert full.is_now(2, Numbered(100 - KEPT_BACK))
    assert full.is_now(3, Numbered(7))
    assert said == [
        "almost all descriptors that this process may have (100) are open: "
        "connections that ask nothing are closed for others"
    ]
    full._said -= QUIET
    assert full.is_now(3, Numbered(7))
    assert said[1].startswith("3 connections are open, as many as there may be")


def test_a_process_may_have_as_many_descriptors_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    assert not Full(3, pytest.fail).is_now(0, Numbered(1_000_000))
