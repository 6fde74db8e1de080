"""Where a reference gets its value, what is said when there is none, and what is never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.environment import Environment
from reconciler.model.document import Document
from reconciler.model.secret import SecretRef, parse_template
from reconciler.sessions.session import Unresolved
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault
from tests.canary import CANARY, canary_written, encodings_in
from tests.requirements import requirement

NAME = "RECONCILER_TEST_TOKEN"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.delenv(NAME, raising=False)
    return Environment(tmp_path, Vault(StateDir(tmp_path / "state")).get)


def value(environment: Environment, text: str, **settings: Any) -> str:
    document = Document({"version": 1, **settings, "mcpServers": {"a": {"command": "x"}}})
    return parse_template(text).resolve(environment.resolver(document, "a"))


# Where a value comes from


def test_the_env_file_comes_first_then_our_environment_then_what_a_caller_offered(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.offer({NAME: "offered"})
    assert value(environment, f"${{env:{NAME}}}") == "offered"
    monkeypatch.setenv(NAME, "ours")
    assert value(environment, f"${{env:{NAME}}}") == "ours"
    (environment.folder / ".env").write_text(f"{NAME}=filed\n", encoding="utf-8")
    assert value(environment, f"${{env:{NAME}}}") == "ours"
    assert value(environment, f"${{env:{NAME}}}", envFile=".env") == "filed"


@pytest.mark.parametrize(
    ("set_to", "text", "found"),
    [
        (None, "${env:%s:-default}", "default"),
        ("", "${env:%s:-default}", "default"),
        ("set", "${env:%s:-default}", "set"),
        ("", "${env:%s}", ""),
        (None, "${env:%s:-}", ""),
        (None, "$${env:%s}", "${env:%s}"),
        ("set", "a ${%s} b", "a set b"),
    ],
)
def test_a_default_holds_where_a_variable_is_unset_or_empty(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, set_to: str | None, text: str, found: str
) -> None:
    if set_to is not None:
        monkeypatch.setenv(NAME, set_to)
    assert value(environment, text.replace("%s", NAME)) == found.replace("%s", NAME)


def test_an_empty_line_of_the_env_file_does_not_hide_a_value_where_there_is_a_default(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (environment.folder / ".env").write_text(f"{NAME}=\n", encoding="utf-8")
    monkeypatch.setenv(NAME, "ours")
    assert value(environment, f"${{env:{NAME}:-default}}", envFile=".env") == "ours"
    assert value(environment, f"${{env:{NAME}}}", envFile=".env") == ""


def test_an_unset_variable_says_where_was_looked(environment: Environment) -> None:
    (environment.folder / "a.env").touch()
    with pytest.raises(
        Unresolved,
        match=rf"^{NAME} is not set; looked in a\.env, the engine's environment, the environment of the command",
    ) as unresolved:
        value(environment, f"${{env:{NAME}}}", envFile="a.env")
    assert unresolved.value.terminal
    with pytest.raises(Unresolved, match="looked in the engine's environment, "):
        value(environment, f"${{env:{NAME}}}")


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"\xff=1", "it is not UTF-8"), ("folder", "directory")]
)
def test_an_env_file_that_cannot_be_read_is_named(
    environment: Environment, content: bytes | str | None, why: str
) -> None:
    path = environment.folder / ".env"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(Unresolved, match=rf"^envFile \.env cannot be read: .*{why}"):
        value(environment, f"${{env:{NAME}}}", envFile=".env")


def test_a_file_is_its_text_without_the_last_line_end(environment: Environment) -> None:
    (environment.folder / "token").write_bytes(b"one\r\ntwo\r\n")
    assert value(environment, "${file:token}") == "one\r\ntwo"
    assert value(environment, f"${{file:{environment.folder}/token}}") == "one\r\ntwo"


def test_a_tilde_is_the_home_directory(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    home = environment.folder / "home"
    home.mkdir()
    (home / "token").write_text("from home", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    assert value(environment, "${file:~/token}") == "from home"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("missing", None, "cannot be read: No such file or directory"),
        (".", None, "cannot be read: Is a directory"),
        ("bad", b"\xff" * 9, "cannot be read: it is not UTF-8"),
        ("nul\0", None, "cannot be read: embedded null byte"),
        ("~nobody-of-that-name/x", None, "cannot be read: Could not determine home directory"),
        ("large", b"x" * (64 * 1024 + 1), "has more than 64 KiB"),
        ("/dev/zero", None, "has more than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_a_value_says_why(
    environment: Environment, name: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        (environment.folder / name).write_bytes(content)
    with pytest.raises(Unresolved) as unresolved:
        value(environment, f"${{file:{name}}}")
    assert str(unresolved.value).startswith(f"{name} {why}")


def test_a_file_of_the_largest_size_is_a_value(environment: Environment) -> None:
    (environment.folder / "large").write_bytes(b"x" * 64 * 1024)
    assert len(value(environment, "${file:large}")) == 64 * 1024


def test_the_workspace_is_the_directory_of_the_file(environment: Environment) -> None:
    assert value(environment, "${workspaceFolder}/x") == f"{environment.folder}/x"


def test_a_secret_that_nobody_stored_is_named(environment: Environment) -> None:
    with pytest.raises(Unresolved, match='no secret named "docs" is stored'):
        value(environment, "${secret:docs}")


def test_forwarded_names_have_their_value_and_unset_ones_stay_unset(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_TEST_OTHER", "other")
    environment.offer({NAME: "offered"})
    resolve = environment.resolver(Document(), "a")
    values = environment.forwarding([NAME, "RECONCILER_TEST_UNSET", "RECONCILER_TEST_OTHER"], resolve)
    assert (values[NAME], values["RECONCILER_TEST_OTHER"]) == ("offered", "other")
    assert "RECONCILER_TEST_UNSET" not in values


# What changed since


def test_what_a_server_was_started_with_is_outdated_once_it_differs(environment: Environment) -> None:
    document = Document({"version": 1, "mcpServers": {"a": {"command": "x"}}})
    token = environment.folder / "token"
    token.write_text("one", encoding="utf-8")
    environment.resolver(document, "a")(SecretRef("file", "token"))
    assert environment.outdated(document, "a") is None
    token.write_text("two", encoding="utf-8")
    assert environment.outdated(document, "a") == "its environment changed: token"
    assert environment.outdated(document, "b") is None
    token.unlink()
    assert environment.outdated(document, "a") == "its environment changed: token"
    environment.resolver(document, "a")
    assert environment.outdated(document, "a") is None


def test_a_name_that_was_unset_is_outdated_once_it_is_set(environment: Environment) -> None:
    document = Document({"version": 1, "mcpServers": {"a": {"command": "x"}}})
    environment.forwarding([NAME], environment.resolver(document, "a"))
    assert environment.outdated(document, "a") is None
    environment.offer({NAME: "now set"})
    assert environment.outdated(document, "a") == f"its environment changed: {NAME}"


# What is never shown


@requirement("API-4:secrets-never-render")
def test_what_was_handed_out_is_hidden(environment: Environment) -> None:
    environment.offer({NAME: CANARY})
    value(environment, f"Bearer ${{env:{NAME}}}")
    assert environment.hide(f"it said: bad token {CANARY}!") == "it said: bad token ***!"


@requirement("API-4:secrets-never-render")
def test_a_value_of_many_lines_is_hidden_line_by_line(environment: Environment) -> None:
    (environment.folder / "key").write_text("-----BEGIN KEY-----\nabcdefgh12345678\n-----END KEY-----\n", "utf-8")
    value(environment, "${file:key}")
    assert environment.hide("stderr: abcdefgh12345678") == "stderr: ***"


@requirement("API-4:secrets-never-render")
def test_literals_of_secret_fields_are_hidden_once_their_server_is_started(environment: Environment) -> None:
    document = Document(canary_written())
    for server in document.servers:
        fresh = Environment(environment.folder, lambda _: None)
        fresh.resolver(document, server)
        assert encodings_in(fresh.hide(f"it said: bad token {CANARY}")) == []


def test_the_longer_of_two_values_is_hidden_whole(environment: Environment) -> None:
    environment.offer({"ONE": "abcdefgh", "TWO": "abcdefgh-ijkl"})
    for name in ("ONE", "TWO"):
        value(environment, f"${{env:{name}}}")
    assert environment.hide("abcdefgh-ijkl abcdefgh") == "*** ***"


def test_short_values_and_the_workspace_stay_readable(environment: Environment) -> None:
    environment.offer({NAME: "short"})
    value(environment, f"${{env:{NAME}}} ${{workspaceFolder}}")
    text = f"short: {environment.folder}"
    assert environment.hide(text) == text
