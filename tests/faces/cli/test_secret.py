"""`reconciler secret`: values come in without being seen, and never out again."""

from __future__ import annotations

import base64
import json
import os
import pty
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.state_dir import StateDir, base_directory
from reconciler.store.vault import LARGEST_VALUE, Vault
from reconciler.store.vault_keys import NEW_VARIABLE, VARIABLE
from tests.canary import CANARY
from tests.faces.cli.desk import SECONDS, Desk, Done, light
from tests.requirements import requirement

pytestmark = requirement("API-4:secret-command")


def set_secret(desk: Desk, name: str, value: str | bytes, *more: str) -> Done:
    """`reconciler secret set NAME` with the value on its standard input."""
    data = value if isinstance(value, bytes) else value.encode()
    command = desk.spawn_command("secret", "set", name, *more)
    done = subprocess.run(command, input=data, capture_output=True, cwd=desk.folder, timeout=SECONDS, check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def listed(desk: Desk) -> Any:
    return desk.run("secret", "list", "-o", "json").json


def vault(desk: Desk) -> Vault:
    (folder,) = (path for path in base_directory(Path(os.environ["RECONCILER_STATE_DIR"])).iterdir() if path.is_dir())
    return Vault(StateDir(folder))


def using(server: str, **env: str) -> dict[str, Any]:
    return {server: light(server, env=env)}


def test_without_an_engine_secrets_are_stored_listed_and_forgotten(desk: Desk) -> None:
    desk.write(using("one", TOKEN="${secret:GITHUB}", OTHER="Bearer ${secret:DOCS}"))
    assert [row["name"] for row in listed(desk)["missing"]] == ["DOCS", "GITHUB"]
    assert set_secret(desk, "GITHUB", CANARY).err == "stored GITHUB, version 1; used by one\n"
    assert set_secret(desk, "GITHUB", f"{CANARY}\n").err == "stored GITHUB, version 2; used by one\n"
    assert set_secret(desk, "SPARE", CANARY).err == "stored SPARE, version 1; the file names it as ${secret:SPARE}\n"
    found = listed(desk)
    assert [(row["name"], row["version"], row["servers"]) for row in found["secrets"]] == [
        ("GITHUB", 2, ["one"]),
        ("SPARE", 1, []),
    ]
    assert (found["missing"], found["key"]) == ([{"name": "DOCS", "servers": ["one"]}], "file")
    lines = [line.split() for line in desk.run("secret", "list").out.splitlines()]
    assert [(line[0], line[1]) for line in lines[1:]] == [("GITHUB", "2"), ("SPARE", "1"), ("DOCS", "-")]
    assert vault(desk).get("GITHUB") == CANARY
    assert desk.run("secret", "remove", "SPARE").err == "SPARE is forgotten\n"
    gone = desk.run("secret", "remove", "SPARE")
    assert (gone.exit, 'no secret named "SPARE" is stored' in gone.err) == (1, True)


def test_before_the_first_one_that_is_said(desk: Desk) -> None:
    desk.write({})
    assert desk.run("secret", "list").err == "there are no secrets yet: `reconciler secret set NAME` stores one\n"
    assert desk.run("secret", "rotate").err == "there are no secrets yet, and so no key\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"one\n", "one"), (b"one\r\n", "one"), (b"one\n\n", "one\n"), (b" one ", " one "), ("ä€".encode(), "ä€")],
)
def test_a_value_is_kept_as_it_is_but_for_the_end_of_its_line(desk: Desk, given: bytes, kept: str) -> None:
    desk.write({})
    assert set_secret(desk, "A", given).exit == 0
    assert vault(desk).get("A") == kept


def test_a_value_can_come_from_a_file_of_many_lines(desk: Desk) -> None:
    desk.write({})
    text = "-----BEGIN-----\nabc\n-----END-----"
    (desk.folder / "key.pem").write_text(f"{text}\n", encoding="utf-8")
    assert desk.run("secret", "set", "KEY", "--from-file", "key.pem").exit == 0
    assert vault(desk).get("KEY") == text
    missing = desk.run("secret", "set", "KEY", "--from-file", "none.pem")
    assert (missing.exit, "none.pem" in missing.err) == (1, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"x" * (LARGEST_VALUE + 1), "more than 64 KiB"),
        (b"x" * (LARGEST_VALUE + 9), "more than 64 KiB"),
    ],
)
def test_a_value_that_cannot_be_is_refused(desk: Desk, given: bytes, said: str) -> None:
    desk.write({})
    done = set_secret(desk, "A", given)
    assert (done.exit, said in done.err) == (64, True)
    assert listed(desk)["secrets"] == []
    assert set_secret(desk, "A", b"x" * LARGEST_VALUE + b"\r\n").exit == 0


# What does not belong together, and never says what may have been a value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set"], "`set` needs the NAME"),
        (["set", "A", CANARY], "a value is never an argument"),
        (["set", "A", CANARY, CANARY], "a value is never an argument"),
        (["set", f"A={CANARY}"], "a name has letters"),
        (["set", "@sign-in/a/b"], "a name has letters"),
        (["remove", "@sign-in/a/b"], "a name has letters"),
        (["list", "A"], "`list` takes no NAME"),
        (["rotate", "A"], "`rotate` takes no NAME"),
        (["list", "--from-file", "x"], "`list` takes no --from-file"),
        (["set", "A", "--key", "file"], "`set` takes no --key"),
        (["set", "A", "-y"], "`set` takes no --yes"),
        (["show", "A"], "show"),
    ],
)
def test_what_does_not_belong_together_is_said(desk: Desk, arguments: list[str], said: str) -> None:
    desk.write({})
    done = desk.run("secret", *arguments)
    assert (done.exit, done.out, said in done.err) == (64, "", True)
    assert CANARY not in done.err


# At a terminal


def typed_at_the_prompt(desk: Desk, given: bytes, *arguments: str) -> Done:
    """A command at a terminal, where somebody types once it asks."""
    person, terminal = pty.openpty()
    streams: dict[str, Any] = {"stdin": terminal, "stderr": terminal, "start_new_session": True}
    with desk.spawn(*arguments, **streams) as process:
        os.close(terminal)
        said = b""
        while not said.endswith(b"(it is not shown): "):
            said += os.read(person, 1024)
        os.write(person, given)
        try:
            while data := os.read(person, 1024):
                said += data
        except OSError:  # Linux: EIO once nobody holds the other end
            pass
        out = process.communicate(timeout=SECONDS)[0]
    os.close(person)
    return Done(process.returncode, out, said.decode())


def test_at_a_terminal_the_value_is_asked_for_and_not_shown(desk: Desk) -> None:
    desk.write({})
    done = typed_at_the_prompt(desk, f"{CANARY}\n".encode(), "secret", "set", "A")
    assert done.exit == 0, done.err
    assert CANARY not in done.err
    assert vault(desk).get("A") == CANARY


@pytest.mark.parametrize("given", [b"one\ntwo\n", b"x" * 4095 + b"y" * 10 + b"\n"])
def test_what_a_terminal_would_cut_off_is_refused(desk: Desk, given: bytes) -> None:
    desk.write({})
    done = typed_at_the_prompt(desk, given, "secret", "set", "A")
    assert (done.exit, "--from-file FILE" in done.err) == (64, True), done.err
    assert listed(desk)["secrets"] == []


def test_an_end_of_input_stores_nothing(desk: Desk) -> None:
    desk.write({})
    assert typed_at_the_prompt(desk, b"\x04", "secret", "set", "A").exit == 130
    assert listed(desk)["secrets"] == []


# Forgetting what is used, and another key


def test_what_a_server_uses_is_forgotten_only_with_a_yes(desk: Desk) -> None:
    desk.write(using("one", TOKEN="${secret:GITHUB}"))
    set_secret(desk, "GITHUB", "value")
    refused = desk.run("secret", "remove", "GITHUB")
    assert (refused.exit, "GITHUB is used by one" in refused.err, "`-y` is a yes" in refused.err) == (6, True, True)
    declined = desk.typed("n\n", "secret", "remove", "GITHUB")
    assert (declined.exit, vault(desk).get("GITHUB")) == (6, "value")
    assert desk.run("secret", "remove", "GITHUB", "-y").exit == 0
    set_secret(desk, "GITHUB", "value")
    assert desk.typed("y\n", "secret", "remove", "GITHUB").exit == 0
    assert listed(desk)["secrets"] == []


@requirement("API-4:rotation")
def test_a_rotation_says_how_many_and_where_the_key_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write({})
    set_secret(desk, "A", "one")
    assert desk.run("secret", "rotate").err == (
        "1 secret is sealed under a new key, which is kept in a file beside them\n"
    )
    set_secret(desk, "B", "two")
    for name in (VARIABLE, NEW_VARIABLE):
        monkeypatch.setenv(name, base64.b64encode(secrets.token_bytes(32)).decode())
    moved = desk.run("secret", "rotate", "--key", "environment", "-o", "json")
    assert (moved.json, moved.exit) == ({"secrets": 2, "key": "environment"}, 0)
    assert "has to be what RECONCILER_VAULT_NEW_KEY was" in moved.err
    monkeypatch.setenv(VARIABLE, os.environ[NEW_VARIABLE])
    monkeypatch.delenv(NEW_VARIABLE)
    assert (vault(desk).get("A"), vault(desk).get("B")) == ("one", "two")
    monkeypatch.delenv(VARIABLE)
    lost = desk.run("secret", "rotate")
    assert (lost.exit, f"{VARIABLE}, which is not set here" in lost.err) == (1, True)
    assert [row["name"] for row in listed(desk)["secrets"]] == ["A", "B"]


def test_a_damaged_vault_is_said_with_the_way_out(desk: Desk) -> None:
    desk.write({})
    set_secret(desk, "A", "one")
    path = vault(desk)._state.vault
    path.write_text(json.dumps({"format": "other"}), encoding="utf-8")
    for arguments in (["list"], ["rotate"], ["remove", "A"]):
        done = desk.run("secret", *arguments, "-o", "json")
        assert (done.exit, done.json["error"]["code"]) == (1, "vault-damaged")
        assert "restore it from a backup" in done.json["error"]["hint"]


# With an engine


@requirement("API-4:secret-references")
def test_under_a_running_engine_a_value_reaches_its_server_and_a_list_shows_who_uses_it(desk: Desk) -> None:
    servers = using("one", TOKEN="${secret:GITHUB}")
    with desk.applied(servers) as applied:
        assert applied.exit == 5
        report = desk.run("status", "-o", "json").json
        assert report["servers"][0]["reason"] == 'no secret named "GITHUB" is stored; `reconciler secret set GITHUB`'
        stored = set_secret(desk, "GITHUB", "first-value", "-o", "json")
        assert (stored.exit, json.loads(stored.out)["servers"]) == (0, ["one"])
        first = wait_for_another(desk, None)
        assert token_of(desk) == "first-value"
        assert desk.run("secret", "rotate").exit == 0
        assert set_secret(desk, "GITHUB", "second-value").err == "stored GITHUB, version 2; used by one\n"
        wait_for_another(desk, first)
        assert token_of(desk) == "second-value"
        desk.write({**servers, **using("two", TOKEN="${secret:LATER}")})
        found = listed(desk)
        assert [(row["name"], row["servers"]) for row in found["secrets"]] == [("GITHUB", ["one"])]
        assert found["missing"] == [{"name": "LATER", "servers": ["two"]}]
        removed = desk.run("secret", "remove", "GITHUB", "-y")
        assert removed.err == "GITHUB is forgotten; live sessions of one keep it until they end\n"
        assert token_of(desk) == "second-value"
        events = desk.run("events", "-o", "json").json["events"]
        said = [event["message"] for event in events if event["kind"] == "secret"]
        assert said.count("owner stored GITHUB, version 2") == 1
        assert "owner removed GITHUB" in said


def token_of(desk: Desk) -> str:
    """What the server was started with."""
    called = desk.run("call", "one", "info", "-o", "json")
    assert called.exit == 0, called.err
    token: str = json.loads(called.json["content"][0]["text"])["env"]["TOKEN"]
    return token


def wait_for_another(desk: Desk, before: str | None) -> str:
    """The session that serves once it is another one than `before`."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        row = desk.run("status", "-o", "json").json["servers"][0]
        if row["status"] == "connected" and row["instance"] != before:
            instance: str = row["instance"]
            return instance
    raise AssertionError(row)
