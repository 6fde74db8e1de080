"""Tokens on the disk: made once, kept as digests, taken back for good."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import (
    PREFIX,
    BadName,
    NoSuchToken,
    TokensDamaged,
    adopt_token,
    create_token,
    ensure_tokens,
    local_token,
    read_tokens,
    revoke_token,
)
from tests.requirements import requirement

pytestmark = requirement("GATE-1:tokens")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state")


def everything_kept(state: StateDir) -> str:
    """What the directory holds, but for the file that is there to be shown again."""
    files = [path for path in state.path.iterdir() if path.is_file() and path != state.local_tokens]
    return "".join(path.read_text(encoding="utf-8") for path in files)


def test_the_first_start_makes_one_for_clients_and_one_for_the_operator_and_the_second_makes_none(
    state: StateDir,
) -> None:
    assert read_tokens(state) == ()
    ensure_tokens(state)
    first = read_tokens(state)
    assert [(token.name, token.role) for token in first] == [("client", "client"), ("operator", "operator")]
    shown = local_token(state, "client")
    ensure_tokens(state)
    assert (read_tokens(state), local_token(state, "client")) == (first, shown)


def test_what_is_kept_is_a_digest_and_the_files_are_for_their_owner(state: StateDir) -> None:
    ensure_tokens(state)
    token, text = create_token(state, "viewer", "mine")
    assert token.sha256 == hashlib.sha256(text.encode()).hexdigest()
    shown = [local_token(state, "client"), local_token(state, "operator"), text]
    for each in shown:
        assert each is not None
        assert each.startswith(PREFIX)
        assert len(each.removeprefix(PREFIX)) >= 43, "256 bits in base64"
        assert each.removeprefix(PREFIX) not in everything_kept(state)
    assert text not in state.local_tokens.read_text(encoding="utf-8")
    assert len(set(shown)) == 3
    for path in (state.tokens, state.local_tokens):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_that_was_taken_back_is_gone_also_where_it_was_shown(state: StateDir) -> None:
    ensure_tokens(state)
    kept = state.local_tokens.read_text(encoding="utf-8")
    shown = local_token(state, "client")
    assert shown is not None
    assert revoke_token(state, "client").role == "client"
    assert [token.name for token in read_tokens(state)] == ["operator"]
    assert local_token(state, "client") is None
    assert shown not in state.local_tokens.read_text(encoding="utf-8")
    with pytest.raises(NoSuchToken):
        revoke_token(state, "client")
    state.local_tokens.write_text(kept, encoding="utf-8")
    assert local_token(state, "client") is None, "an old copy of the file shows nothing that does not hold"
    create_token(state, "client", "client")
    assert local_token(state, "client") is None, "another token of the same name is not the one that was shown"


@pytest.mark.parametrize("name", [" ", "a b", "a/b", "-a", "ä", "x" * 65, "owner", "local", "taken", "a\n"])
def test_a_name_that_could_be_mistaken_is_refused_and_nothing_is_made(state: StateDir, name: str) -> None:
    create_token(state, "viewer", "taken")
    before = read_tokens(state)
    with pytest.raises(BadName):
        create_token(state, "viewer", name)
    assert read_tokens(state) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"tokens": 1}',
        '{"tokens": [{}]}',
        '{"tokens": [{"name": "a", "role": "owner", "sha256": "' + "0" * 64 + '", "createdAt": ""}]}',
        '{"tokens": [{"name": "a", "role": "client", "sha256": "00", "createdAt": ""}]}',
        '{"tokens": [{"name": "a", "role": "client", "sha256": 7, "createdAt": ""}]}',
    ],
)
def test_a_damaged_file_lets_nobody_in_and_its_content_is_not_told(state: StateDir, text: str) -> None:
    ensure_tokens(state)
    state.tokens.write_text(text, encoding="utf-8")
    with pytest.raises(TokensDamaged) as damaged:
        read_tokens(state)
    assert str(state.tokens) in str(damaged.value)
    with pytest.raises(TokensDamaged):
        local_token(state, "client")


def test_many_at_once_lose_none(state: StateDir) -> None:
    def make(number: int) -> None:
        create_token(state, "viewer", f"v{number}")

    threads = [threading.Thread(target=make, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_tokens(state)) == 22
    assert len(json.loads(state.local_tokens.read_text(encoding="utf-8"))) == 2


def test_a_token_with_an_end_keeps_it_on_the_disk(state: StateDir) -> None:
    end = datetime(2040, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    create_token(state, "viewer", "short", end)
    create_token(state, "viewer", "long")
    kept = {token.name: token for token in read_tokens(state)}
    assert (kept["short"].expires_at, kept["short"].until) == ("2040-01-02T02:04:05+00:00", end)
    assert (kept["long"].expires_at, kept["long"].until) == (None, None)
    assert kept["short"].holds(end - timedelta(seconds=1)) and not kept["short"].holds(end)
    assert kept["long"].holds(end)
    assert "expiresAt" in kept["short"].to_json() and "expiresAt" not in kept["long"].to_json()


def test_tokens_whose_time_is_over_are_forgotten_with_the_next_one(state: StateDir) -> None:
    create_token(state, "viewer", "old", datetime.now(UTC) - timedelta(seconds=1))
    assert "old" in {token.name for token in read_tokens(state)}
    create_token(state, "viewer", "old")
    assert [token.expires_at for token in read_tokens(state) if token.name == "old"] == [None]


@pytest.mark.parametrize("end", ["tomorrow", "2040-01-02T03:04:05", "", 7, True])
def test_an_end_that_is_none_damages_the_file(state: StateDir, end: object) -> None:
    create_token(state, "viewer", "short", datetime(2040, 1, 2, tzinfo=UTC))
    kept = json.loads(state.tokens.read_text(encoding="utf-8"))
    kept["tokens"][-1]["expiresAt"] = end
    state.tokens.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(TokensDamaged):
        read_tokens(state)


def test_a_token_of_another_project_is_let_in_under_a_free_name(state: StateDir, tmp_path: Path) -> None:
    other = StateDir(tmp_path / "other")
    token, _ = create_token(other, "editor", "mine")
    adopt_token(state, token)
    assert token in read_tokens(state)
    with pytest.raises(BadName):
        adopt_token(state, token)
