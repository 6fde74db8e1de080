"""Tokens in memory: the file is read again when it changed, and whoever was sent away is told of."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine import tokens as engine_tokens
from reconciler.engine.tokens import Tokens
from reconciler.gate.gate import Principal
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import adopt_token, create_token, local_token, read_tokens, revoke_token
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:tokens"), pytest.mark.anyio]


class Spoken(list[tuple[str, str]]):
    def __call__(self, kind: str, message: str) -> None:
        self.append((kind, message))


def made(folder: Path) -> tuple[Tokens, StateDir, Spoken]:
    state, said = StateDir(folder / "state"), Spoken()
    tokens = Tokens(state, said)
    tokens.start()
    return tokens, state, said


def shown(state: StateDir, role: Any) -> bytes:
    text = local_token(state, role)
    assert text is not None
    return text.encode()


def test_a_token_is_whose_it_is_and_anything_else_is_nobodys(tmp_path: Path) -> None:
    tokens, state, _ = made(tmp_path)
    good = shown(state, "client")
    assert tokens.check(good) == Principal("client", "client")
    assert tokens.check(good) is tokens.check(good)
    assert tokens.check(shown(state, "operator")) == Principal("operator", "operator")
    for wrong in (b"", good[:-1], good + b"x", good.swapcase(), good[4:], b" " + good, good + b" ", b"\xff" * 40):
        assert tokens.check(wrong) is None
    digest = next(iter(state.tokens.read_text(encoding="utf-8").split('"sha256": "')[1:]))[:64]
    assert tokens.check(digest.encode()) is None
    assert tokens.check(bytes.fromhex(digest)) is None


def test_digests_are_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, state, _ = made(tmp_path)
    good, compared = shown(state, "client"), []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert tokens.check(good) is None
    assert len(compared) == 1


async def test_a_change_beside_the_engine_holds_without_anybody_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_tokens, "LOOK_SECONDS", 0.01)
    tokens, state, _ = made(tmp_path)
    gone: asyncio.Queue[Sequence[Principal]] = asyncio.Queue()
    tokens.listen(gone.put_nowait)
    following = asyncio.create_task(tokens.follow())
    client = tokens.check(shown(state, "client"))
    _, text = create_token(state, "editor", "writer")
    revoke_token(state, "client")
    with anyio.fail_after(5):
        first = await gone.get()
    assert [principal is client for principal in first] == [True]
    assert tokens.check(text.encode()) == Principal("writer", "editor")
    following.cancel()


def test_who_stays_is_the_same_and_only_who_goes_is_told_of(tmp_path: Path) -> None:
    tokens, state, _ = made(tmp_path)
    told: list[Sequence[Principal]] = []
    stop = tokens.listen(told.append)
    operator, client = tokens.check(shown(state, "operator")), tokens.check(shown(state, "client"))
    create_token(state, "viewer", "v")
    tokens.look()
    tokens.look()
    assert (told, tokens.check(shown(state, "operator"))) == ([], operator)
    assert tokens.check(shown(state, "operator")) is operator
    revoke_token(state, "client")
    tokens.look()
    assert [[principal is client for principal in each] for each in told] == [[True]]
    create_token(state, "client", "client")
    tokens.look()
    assert len(told) == 1
    stop()
    revoke_token(state, "v")
    tokens.look()
    assert len(told) == 1


def test_another_role_for_the_same_token_ends_what_it_opened(tmp_path: Path) -> None:
    tokens, state, _ = made(tmp_path)
    told: list[Sequence[Principal]] = []
    tokens.listen(told.append)
    text = state.tokens.read_text(encoding="utf-8")
    state.tokens.write_text(text.replace('"role": "operator"', '"role": "viewer"'), encoding="utf-8")
    tokens.look()
    assert [[principal.role for principal in each] for each in told] == [["operator"]]
    assert tokens.check(shown(state, "operator")) == Principal("operator", "viewer")


@pytest.mark.parametrize("damage", ["{", None])
def test_without_a_file_that_can_be_read_nobody_comes_in_and_it_is_said_once(
    tmp_path: Path, damage: str | None
) -> None:
    tokens, state, said = made(tmp_path)
    good = shown(state, "operator")
    if damage is None:
        state.tokens.unlink()
    else:
        state.tokens.write_text(damage, encoding="utf-8")
    tokens.look()
    tokens.look()
    assert tokens.check(good) is None
    assert [kind for kind, _ in said] == ([] if damage is None else ["tokens"])


class Clock:
    """A time that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def timed(folder: Path, seconds: float) -> tuple[Tokens, StateDir, Clock, bytes]:
    """Tokens with one that holds for so long."""
    state, clock = StateDir(folder / "state"), Clock()
    text = create_token(state, "editor", "short", clock.now + timedelta(seconds=seconds))[1]
    tokens = Tokens(state, Spoken(), clock)
    tokens.start()
    return tokens, state, clock, text.encode()


def test_a_token_holds_to_the_second_at_which_it_ends(tmp_path: Path) -> None:
    tokens, state, clock, short = timed(tmp_path, 100)
    end = tokens.until(short)
    assert end is not None and tokens.check(short) == Principal("short", "editor")
    clock.now = end - timedelta(milliseconds=1)
    assert tokens.check(short) is tokens.check(short) is not None
    clock.now = end
    assert tokens.check(short) is None
    assert (tokens.until(shown(state, "client")), tokens.until(b"unknown")) == (None, None)
    assert tokens.check(shown(state, "client")) is not None


def test_whoever_came_in_with_a_token_is_sent_away_at_its_end(tmp_path: Path) -> None:
    tokens, state, clock, short = timed(tmp_path, 100)
    gone: list[Sequence[Principal]] = []
    tokens.listen(gone.append)
    principal, other = tokens.check(short), tokens.check(shown(state, "client"))
    tokens.look()
    assert gone == []
    clock.move(101)
    tokens.look()
    assert [[each is principal for each in principals] for principals in gone] == [[True]]
    assert tokens.check(shown(state, "client")) is other
    tokens.look()
    assert len(gone) == 1


def test_a_token_of_another_project_holds_until_it_ends_there(tmp_path: Path) -> None:
    _, state, clock, short = timed(tmp_path, 100)
    elsewhere = StateDir(tmp_path / "elsewhere")
    [token] = [token for token in read_tokens(state) if token.name == "short"]
    adopt_token(elsewhere, token)
    tokens = Tokens(elsewhere, Spoken(), clock)
    tokens.start()
    assert tokens.check(short) == Principal("short", "editor")
    clock.move(101)
    assert tokens.check(short) is None


def test_the_end_of_hosting_sends_everybody_away(tmp_path: Path) -> None:
    tokens, state, _ = made(tmp_path)
    gone: list[Sequence[Principal]] = []
    tokens.listen(gone.append)
    assert tokens.check(shown(state, "client")) is not None
    tokens.end()
    assert tokens.check(shown(state, "client")) is None
    assert sorted(principal.name for principal in gone[0]) == ["client", "operator"]
