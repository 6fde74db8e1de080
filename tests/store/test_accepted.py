"""accepted.json: what comes back is what was written, or it is said that it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.store.accepted import StateDamaged, StateTooNew, _checksum, read_accepted, set_aside, write_accepted
from reconciler.store.state_dir import StateDir, fingerprint
from tests.canary import canary_written, encodings_in
from tests.requirements import requirement

WRITTEN = {
    "version": 1,
    "project": "acme",
    "mcpServers": {"a": {"command": "x", "env": {"TOKEN": "hunter2"}}, "b": {"url": "https://example.com/mcp"}},
}


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "acme-1")
    made.ensure()
    return made


def accepted_of(state: StateDir, written: dict[str, Any]) -> Accepted:
    return Accepted(
        lineage="f3a4",
        serial=41,
        document=Document(written, "default", fingerprint(state.ensure_key())),
        yeses=frozenset({"sha256:1", "sha256:2"}),
        protected=frozenset({"b"}),
        ready={"a": {"type": "stdio", "command": "x", "env": {"TOKEN": "hunter1"}}},
        changed={"a": 40, "b": 41},
    )


def essence(accepted: Accepted) -> tuple[Any, ...]:
    """Everything but the fingerprint function, which is a new one each time."""
    document = accepted.document
    return (replace(accepted, document=Document()), document.written, document.default_project, document.digest)


def test_what_was_written_comes_back(state: StateDir) -> None:
    accepted = accepted_of(state, WRITTEN)
    write_accepted(state, accepted)
    assert essence(read_accepted(state, default_project="default")) == essence(accepted)
    assert state.accepted.stat().st_mode & 0o7777 == 0o600


def test_before_the_first_apply_there_is_nothing_and_reading_makes_nothing(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "acme-1")
    accepted = read_accepted(state, default_project="acme")
    assert not accepted.exists
    assert (accepted.serial, accepted.document.project, accepted.document.servers) == (0, "acme", {})
    assert list(tmp_path.iterdir()) == []


def test_reading_again_gives_the_same_digest_so_an_upgrade_alone_plans_nothing(state: StateDir) -> None:
    write_accepted(state, accepted_of(state, WRITTEN))
    one, two = (read_accepted(state, default_project="acme").document for _ in range(2))
    assert one.digest == two.digest
    assert one.spec_digest("a") == two.spec_digest("a")


@requirement("API-4:secrets-never-render")
def test_no_literal_secret_is_in_the_file(state: StateDir) -> None:
    written = canary_written()
    write_accepted(state, replace(accepted_of(state, written), ready=written["mcpServers"]))
    assert encodings_in(state.accepted.read_bytes()) == []
    read = read_accepted(state, default_project="acme")
    assert (read.document.written, read.ready) == (written, written["mcpServers"])


def test_half_characters_survive(state: StateDir) -> None:
    written = {"mcpServers": {"a": {"command": "x", "description": "half \ud800"}}}
    write_accepted(state, accepted_of(state, written))
    assert read_accepted(state, default_project="acme").document.written == written


def test_every_flipped_bit_is_noticed_or_changes_nothing(state: StateDir) -> None:
    accepted = replace(accepted_of(state, {"mcpServers": {"a": {"command": "x", "env": {"T": "y"}}}}), ready={})
    write_accepted(state, accepted)
    good = state.accepted.read_bytes()
    unnoticed = []
    for bit in range(len(good) * 8):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        state.accepted.write_bytes(flipped)
        try:
            if essence(read_accepted(state, default_project="default")) != essence(accepted):
                unnoticed.append(bit)
        except StateDamaged:
            continue
    assert unnoticed == []


def test_every_cut_is_noticed(state: StateDir) -> None:
    write_accepted(state, accepted_of(state, WRITTEN))
    good = state.accepted.read_bytes()
    for length in range(len(good)):
        state.accepted.write_bytes(good[:length])
        with pytest.raises(StateDamaged, match=r"accepted\.json: ."):
            read_accepted(state, default_project="acme")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "{}", '{"format": "reconciler.accepted"}', "\xff"])
def test_another_file_in_its_place_is_noticed(state: StateDir, text: str) -> None:
    state.accepted.write_bytes(text.encode("latin-1"))
    with pytest.raises(StateDamaged):
        read_accepted(state, default_project="acme")


@pytest.mark.parametrize("lost", ["removed", "replaced", "cut"])
def test_without_its_key_the_file_is_damaged(state: StateDir, lost: str) -> None:
    write_accepted(state, accepted_of(state, WRITTEN))
    match lost:
        case "removed":
            state.key_file.unlink()
        case "replaced":
            state.key_file.write_bytes(b"x" * 32)
        case _:
            state.key_file.write_bytes(state.ensure_key()[:16])
    with pytest.raises(StateDamaged, match="key"):
        read_accepted(state, default_project="acme")


def test_the_file_of_a_newer_reconciler_is_refused_and_left_alone(state: StateDir) -> None:
    newer: dict[str, Any] = {"format": "reconciler.accepted", "formatVersion": 2, "body": {"unknown": []}}
    state.accepted.write_text(json.dumps({**newer, "checksum": _checksum(newer)}), encoding="utf-8")
    before = state.accepted.read_bytes()
    with pytest.raises(StateTooNew, match="format 2, this reconciler knows 1"):
        read_accepted(state, default_project="acme")
    assert state.accepted.read_bytes() == before


def test_a_damaged_file_is_kept_beside_the_new_one(state: StateDir) -> None:
    state.accepted.write_text("damaged", encoding="utf-8")
    aside = set_aside(state.accepted, "2026-11-21T040000.000Z")
    assert aside.name == "accepted.json.corrupt-2026-11-21T040000.000Z"
    assert aside.read_text(encoding="utf-8") == "damaged"
    assert not read_accepted(state, default_project="acme").exists
