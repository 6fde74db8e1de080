"""reconciler.lock: the same pins are the same bytes, and what cannot be used is never no lock."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.pins import Identity, Kind, Pins, ServerPins, Surface
from reconciler.plan.lock import pins_from
from reconciler.store import lock_file
from reconciler.store.lock_file import LockTooLarge, lock_from, lock_text, read_lock, write_lock
from tests.definitions import TOOL, pins_of, reordered
from tests.plan.test_lock_diff import CORPUS
from tests.requirements import requirement

NAME = "reconciler.lock"
OTHER: dict[str, Any] = {"name": "other", "inputSchema": {"type": "object"}}
PROMPT, TEMPLATE = {"name": "p", "description": "é"}, {"uriTemplate": "file:///{path}", "name": "files"}


def everything() -> dict[str, ServerPins]:
    entries: dict[Kind, list[dict[str, Any]]] = {
        "tool": [TOOL, OTHER],
        "prompt": [PROMPT],
        "resourceTemplate": [TEMPLATE],
    }
    who = Identity("2026-07-28", {"name": "ü", "version": "1"}, {"elicitation": {}}, "npm:a@1.0.0")
    full = pins_from(Surface(entries, "sha256:i", "sha256:l"), who)[0]
    return {"z": full, "a": pins_of([], None), "mcp.server-1": pins_of([OTHER])}


def loaded(text: str | bytes) -> Pins:
    return lock_from(text.encode() if isinstance(text, str) else text, NAME)


def refused(text: str | bytes) -> tuple[str, str, str]:
    """Code, place and way out of the first problem of a lock that cannot be used."""
    pins = loaded(text)
    assert (pins.exists, pins.servers) == (True, {})
    problem = pins.problems[0]
    assert problem.severity == "error"
    assert problem.hint
    return problem.code, str(problem.place), problem.hint


@requirement("GATE-3:lock-file")
def test_what_was_written_comes_back_and_is_written_alike(tmp_path: Path) -> None:
    path = tmp_path / NAME
    digest = write_lock(path, everything())
    pins = read_lock(path, NAME)
    assert (pins.digest, pins.problems) == (digest, ())
    assert pins.servers == everything()
    assert lock_text(pins.servers).encode() == path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    assert write_lock(path, pins.servers) == digest
    assert path.stat().st_mode & 0o777 == 0o640


@requirement("GATE-3:lock-file")
def test_neither_the_order_of_tools_nor_of_members_nor_of_servers_shows_in_the_bytes() -> None:
    one = {"s": pins_of([TOOL, OTHER]), "t": pins_of([OTHER])}
    other = {"t": pins_of([reordered(OTHER)]), "s": pins_of([OTHER, reordered(TOOL)])}
    assert lock_text(one) == lock_text(other)


@requirement("GATE-3:lock-file")
def test_each_definition_is_one_line_and_all_names_are_sorted() -> None:
    text = lock_text(everything())
    document = json.loads(text)
    assert text.endswith("}\n")
    for server in document["servers"].values():
        assert [*server] == sorted(server)
    assert [*document["servers"]] == sorted(document["servers"])
    for line in text.splitlines():
        assert ('"definition"' in line) == ('"digest"' in line)
    assert sum('"definition"' in line for line in text.splitlines()) == 5
    changed = lock_text({**everything(), "mcp.server-1": pins_of([{**OTHER, "description": "x"}])})
    before, after = text.splitlines(), changed.splitlines()
    assert [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [
        next(i for i, line in enumerate(before) if '"other"' in line)
    ]


@requirement("GATE-3:lock-file", "GATE-3:diff")
@pytest.mark.parametrize("hidden", CORPUS, ids=ascii)
def test_nothing_in_the_file_is_unseen(hidden: str) -> None:
    pins = {"s": pins_of([{"name": "t", "description": hidden, hidden: 1}])}
    text = lock_text(pins)
    assert text.replace("\n", "").isprintable()
    assert loaded(text).servers == pins


@given(st.text(), st.text())
def test_any_text_comes_back_as_it_was(text: str, key: str) -> None:
    pins = {"s": pins_of([{"name": "t", "x": {key: text}}])}
    written = lock_text(pins)
    assert loaded(written).servers == pins
    assert written.count("\n") == lock_text({"s": pins_of([{"name": "t"}])}).count("\n")


def test_half_a_character_and_a_huge_number_come_back() -> None:
    pins = {"s": pins_of([{"name": "t", "x": "\ud800", "n": 2**80, "f": 1e300}])}
    assert loaded(lock_text(pins)).servers == pins


@requirement("GATE-3:lock-file")
def test_two_peoples_changes_of_different_tools_merge(tmp_path: Path) -> None:
    tools = [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(9)]

    def text(*changed: int) -> str:
        return lock_text({"s": pins_of([{**tool, "v": 2} if i in changed else tool for i, tool in enumerate(tools)])})

    for name, content in (("base", text()), ("ours", text(1)), ("theirs", text(7))):
        (tmp_path / name).write_text(content, encoding="utf-8")
    merged = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=tmp_path, capture_output=True, check=True
    )
    assert merged.stdout.decode() == text(1, 7)


@requirement("GATE-3:lock-file")
def test_a_lock_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / NAME
    write_lock(path, {"s": pins_of([OTHER])})
    before = path.read_bytes()
    monkeypatch.setattr(lock_file, "MAX_BYTES", len(lock_text({"s": pins_of([OTHER])})))
    write_lock(path, {"s": pins_of([OTHER])})
    with pytest.raises(LockTooLarge, match="at most"):
        write_lock(path, {"s2": pins_of([OTHER])})
    assert path.read_bytes() == before
    assert read_lock(path, NAME).problems == ()
    monkeypatch.setattr(lock_file, "MAX_BYTES", len(before) - 1)
    (problem,) = read_lock(path, NAME).problems
    assert (problem.code, str(problem.place)) == ("lock-too-large", "reconciler.lock:1:1")
    assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_no_file_pins_nothing_and_one_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert read_lock(tmp_path / NAME, NAME) == Pins()
    (tmp_path / NAME).mkdir()
    pins = read_lock(tmp_path / NAME, NAME)
    assert pins.exists
    assert [problem.code for problem in pins.problems] == ["lock-unreadable"]


@requirement("GATE-3:broken-lock")
def test_a_merge_that_nobody_resolved_is_told_with_its_line() -> None:
    lines = lock_text(everything()).splitlines()
    at = next(i for i, line in enumerate(lines) if '"other"' in line)
    conflict = [*lines[:at], "<<<<<<< HEAD", lines[at], "=======", lines[at], ">>>>>>> theirs", *lines[at + 1 :]]
    code, place, hint = refused("\n".join(conflict))
    assert (code, place) == ("merge-conflict", f"{NAME}:{at + 1}:1")
    assert "marker lines" in hint


@requirement("GATE-3:broken-lock")
def test_every_beginning_of_a_lock_cannot_be_used() -> None:
    text = lock_text({"s": pins_of([{"name": "t", "x": "é\\u0041"}])}).encode()
    assert [cut for cut in range(len(text) - 1) if not loaded(text[:cut]).problems] == []


SERVER = json.loads(lock_text({"s": pins_of([OTHER])}))["servers"]["s"]
PIN = SERVER["tools"]["other"]


def lock(servers: Any, version: Any = 1, **more: Any) -> str:
    return json.dumps({"lockVersion": version, "servers": servers, **more}, indent=2)


@requirement("GATE-3:broken-lock")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-file"),
        ("{", "json-syntax"),
        ("[]", "lock-damaged"),
        ("null", "lock-damaged"),
        ("{}", "lock-damaged"),
        ('{"lockVersion": NaN}', "not-json"),
        ("[" * 5000, "lock-damaged"),
        ("[" * 100_000, "lock-damaged"),
        (b"\xff\xfe", "lock-damaged"),
        (lock({}, version="1"), "lock-damaged"),
        (lock({}, version=True), "lock-damaged"),
        (lock({}, version=0), "lock-damaged"),
        (lock({}, version=2), "lock-version"),
        (lock({}, more=1), "lock-damaged"),
        (lock([]), "lock-damaged"),
        (lock({"s": 7}), "lock-damaged"),
        (lock({"s": {}}), "lock-damaged"),
        ('{"lockVersion" :2, "servers": {}}', "lock-version"),
        (lock({"s": {**SERVER, "more": 1}}), "lock-damaged"),
        (lock({"s": {**SERVER, "tools": []}}), "lock-damaged"),
        (lock({"s": {**SERVER, "launch": 7}}), "lock-damaged"),
        (lock({"s": {**SERVER, "protocolVersion": None}}), "lock-damaged"),
        (lock({"s": {**SERVER, "tools": {"other": 7}}}), "lock-damaged"),
        (lock({"s": {**SERVER, "tools": {"other": {**PIN, "more": 1}}}}), "lock-damaged"),
        (lock({"s": {**SERVER, "tools": {"other": {**PIN, "definition": 7}}}}), "lock-damaged"),
        (lock({"s": {**SERVER, "tools": {"else": PIN}}}), "lock-digest"),
        (lock({"s": {**SERVER, "prompts": {"other": {**PIN, "digest": "x"}}}}), "lock-digest"),
        (lock({"s": {**SERVER, "tools": {"other": {**PIN, "digest": "sha256:0"}}}}), "lock-digest"),
        (lock({"s": SERVER}).replace('"other": {', '"other": {}, "other": {'), "duplicate-key"),
        (lock({"s": SERVER}).replace('"type": "object"', '"type": "object", "type": "array"'), "duplicate-key"),
        (lock({"s": SERVER}).replace('"object"', "1e400"), "number-too-large"),
    ],
)
def test_what_is_no_lock_of_ours_is_refused_with_the_way_out(text: str | bytes, code: str) -> None:
    found, place, hint = refused(text)
    assert found == code
    assert place.startswith(f"{NAME}:")
    assert "mcpServers" not in hint


@requirement("GATE-3:broken-lock")
def test_the_place_of_an_edited_pin_is_its_line() -> None:
    text = lock_text(everything())
    line = next(i for i, each in enumerate(text.splitlines(), 1) if '"search"' in each)
    _, place, hint = refused(text.replace("Searches the web", "Searches the Web"))
    assert place == f"{NAME}:{line}:9"
    assert "`reconciler lock`" in hint


@requirement("GATE-3:broken-lock")
def test_the_same_key_twice_is_told_with_both_lines() -> None:
    text = lock_text({"s": pins_of([OTHER, TOOL])}).replace('"search": {', '"other": {', 1)
    code, place, _ = refused(text)
    assert (code, place) == ("duplicate-key", f"{NAME}:15:9")


@requirement("GATE-3:pins", "GATE-3:broken-lock")
def test_no_byte_of_a_definition_can_be_edited_without_being_noticed() -> None:
    text = lock_text({"s": pins_of([{"name": "t", "description": "What it does.", "n": 12, "b": True}])})
    start, end = text.index('{"definition"'), text.index('"digest"')
    for at in range(start, end):
        edited = f"{text[:at]}x{text[at + 1 :]}"
        assert loaded(edited).problems, edited
