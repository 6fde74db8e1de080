"""What comes out of a sealed file: beside what is here, nothing replaced, and what would run comes switched off."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.pack import pack
from reconciler.config.unpack import BadPayload, Merged, NoSuchServer, check_payload, merge
from reconciler.merge_patch import apply
from reconciler.model.secret import SecretRef
from tests.requirements import requirement

pytestmark = requirement("PAGE-2:merge")

EMPTY: dict[str, Any] = {"version": 1, "mcpServers": {}}
HERE: dict[str, Any] = {
    "version": 1,
    "mcpServers": {"gh": {"url": "https://gh", "headers": {"K": "${secret:gh}"}}, "plain": {"url": "https://plain"}},
}
SET = {"HOME", "notes.txt"}


def has(reference: SecretRef) -> bool:
    assert reference.default is None
    return reference.name in SET


def merged(
    servers: dict[str, Any],
    *,
    here: dict[str, Any] = EMPTY,
    secrets: dict[str, str] | None = None,
    stored: dict[str, str] | None = None,
    run: Collection[str] = (),
    **more: Any,
) -> Merged:
    payload = {"servers": servers, "secrets": secrets or {}, **more}
    check_payload(payload)
    return merge(here, payload, stored=(stored or {}).get, has=has, run=run)


def test_a_server_comes_with_its_secret_and_its_group() -> None:
    server = {"url": "https://a", "headers": {"K": "${secret:k} $$ ${env:NOWHERE:-x}"}, "group": "dev"}
    found = merged({"a": server}, secrets={"k": "v", "unused": "w"}, groups={"dev": {"name": "Development"}}, later=1)
    assert found.patch == {"mcpServers": {"a": server}, "groups": {"dev": {"name": "Development"}}}
    assert (found.secrets, found.renamed, found.brought.ignored) == ({"k": "v"}, {}, ("later",))
    assert [row.id for row in found.ready] == ["a"]


@requirement("PAGE-2:off")
def test_the_file_of_another_client_says_off_in_that_clients_word() -> None:
    here: dict[str, Any] = {"mcpServers": {"old": {"type": "streamable-http", "url": "https://old", "disabled": True}}}
    servers = {
        "old": {"type": "http", "url": "https://old"},
        "run": {"command": "x"},
        "far": {"url": "https://far", "enabled": False},
        "on": {"url": "https://on", "enabled": True},
    }
    found = merged(servers, here=here)
    said = {"run": {"command": "x", "disabled": True}, "far": {"url": "https://far", "disabled": True}}
    assert found.patch["mcpServers"] == {**said, "on": {"url": "https://on", "enabled": True}}
    assert found.brought.unchanged == ("old",)
    assert merged(servers, here=here, run=["run"]).patch["mcpServers"]["run"] == {"command": "x"}
    again = apply(here, found.patch)
    assert merged(servers, here=again).patch == {}


def test_a_group_that_servers_here_are_in_is_not_declared_from_outside() -> None:
    here = {"version": 1, "mcpServers": {"b": {"url": "https://b", "group": "Dev"}}}
    found = merged({"a": {"url": "https://a", "group": "dev"}}, here=here, groups={"dev": {"requireApproval": False}})
    assert "groups" not in found.patch


# Secrets


def test_a_stored_secret_is_never_replaced() -> None:
    server = {"url": "https://a", "headers": {"A": "Bearer ${secret:k}", "B": "${secret:same}"}}
    found = merged({"a": server}, secrets={"k": "theirs", "same": "equal"}, stored={"k": "mine", "same": "equal"})
    assert found.patch["mcpServers"]["a"]["headers"] == {"A": "Bearer ${secret:k-2}", "B": "${secret:same}"}
    assert (found.secrets, found.renamed) == ({"k-2": "theirs"}, {"k": "k-2"})


def test_a_secret_that_came_before_keeps_the_name_that_it_got() -> None:
    stored = {"k": "mine", "k-2": "other", "k-3": "theirs"}
    found = merged({"a": {"url": "https://a?${secret:k}"}}, secrets={"k": "theirs"}, stored=stored)
    assert (found.patch["mcpServers"]["a"]["url"], found.secrets) == ("https://a?${secret:k-3}", {})


def test_two_secrets_never_get_one_name() -> None:
    servers = {id: {"command": "x", "env": {"A": f"${{secret:{id}}}"}, "args": ["${secret:k}"]} for id in ("k", "k-2")}
    found = merged(servers, secrets={"k": "1", "k-2": "2"}, stored={"k": "mine"})
    assert found.secrets == {"k-3": "1", "k-2": "2"}
    long = "a" * 128
    found = merged({"a": {"url": "https://a?${secret:" + long + "}"}}, secrets={long: "1"}, stored={long: "mine"})
    assert list(found.secrets) == ["a" * 126 + "-2"]


def test_what_a_server_here_lacks_is_given_to_it_only_where_it_came_along() -> None:
    other = {"other": {"url": "https://o", "headers": {"K": "${secret:gh}"}}}
    found = merged(other, here=HERE, secrets={"gh": "theirs"})
    assert (found.secrets, found.renamed) == ({"gh-2": "theirs"}, {"gh": "gh-2"})
    found = merged({"gh": HERE["mcpServers"]["gh"]}, here=HERE, secrets={"gh": "mine"})
    assert (found.patch, found.secrets, found.brought.unchanged) == ({}, {"gh": "mine"}, ("gh",))
    both = merged({"gh": HERE["mcpServers"]["gh"], **other}, here=HERE, secrets={"gh": "mine"})
    assert (both.secrets, both.renamed) == ({"gh": "mine"}, {})
    assert merged({"gh": HERE["mcpServers"]["gh"]}, here=HERE, secrets={"gh": "x"}, stored={"gh": "y"}).secrets == {}


# What comes off


@requirement("PAGE-2:off")
def test_a_command_comes_off_until_a_person_wants_it_on() -> None:
    servers = {"a": {"command": "x", "args": ["a b"]}, "b": {"command": "y", "enabled": False}}
    found = merged(servers)
    assert {id: entry["enabled"] for id, entry in found.patch["mcpServers"].items()} == {"a": False, "b": False}
    assert [(row.id, row.does, row.off) for row in found.commands] == [("a", "x 'a b'", True), ("b", "y", True)]
    assert (found.ready, found.needs_you) == ((), ())
    found = merged(servers, run=["a", "b"])
    assert found.patch["mcpServers"] == {"a": servers["a"], "b": {"command": "y"}}
    assert [row.off for row in found.commands] == [False, False]


@requirement("PAGE-2:off")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${env:HOME}", "it gets HOME of this machine"),
        ("${env:HOME:-x}", "it gets HOME of this machine"),
        ("${file:notes.txt}", "it gets notes.txt of this machine"),
        ("${secret:mine}", "it gets the secret mine of this machine"),
    ],
)
def test_what_gets_something_of_this_machine_comes_off(text: str, words: str) -> None:
    server = {"url": "https://a", "headers": {"K": text}}
    found = merged({"a": server}, stored={"mine": "x"})
    assert found.patch["mcpServers"]["a"] == {**server, "enabled": False}
    assert [(row.needs, row.off) for row in found.needs_you] == [((words,), True)]
    assert merged({"a": server}, stored={"mine": "x"}, run=["a"]).patch["mcpServers"]["a"] == server


@requirement("PAGE-2:preview")
@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"url": "https://a?${env:NOWHERE}"}, "NOWHERE is not set here"),
        ({"url": "https://a?${file:nothing}"}, "the file nothing cannot be read here"),
        ({"url": "https://a?${secret:s}"}, "the secret s is not stored here: `reconciler secret set s`"),
        ({"url": "https://a", "oauth": True}, "sign in to it: sign-ins are not part of a file"),
        ({"url": "https://a", "oauth": {"clientId": "x"}}, "sign in to it: sign-ins are not part of a file"),
    ],
)
def test_what_a_person_has_to_do_is_said(server: dict[str, Any], words: str) -> None:
    found = merged({"a": server})
    assert [(row.needs, row.off) for row in found.needs_you] == [((words,), False)]
    assert found.patch["mcpServers"]["a"] == server


@requirement("PAGE-2:preview")
@pytest.mark.parametrize(
    "server",
    [
        {"url": "https://a", "oauth": {"grant": "client_credentials", "clientId": "x", "clientSecret": "y"}},
        {"url": "https://a?${env:NOWHERE:-x}${workspaceFolder}"},
        {"type": "uplink"},
        {"url": "https://a", "oauth": False},
    ],
)
def test_what_needs_nobody_is_ready(server: dict[str, Any]) -> None:
    assert [row.id for row in merged({"a": server}).ready] == ["a"]


@requirement("PAGE-2:preview")
def test_a_row_shows_what_is_run_and_no_secret() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9"
    server = {
        "command": "x",
        "args": [f"--token={token}"],
        "cwd": "/srv",
        "env": {"B": token, "A": "${env:NOWHERE}"},
        "tools": {"*": {"requireApproval": False}},
        "enabled": False,
    }
    (row,) = merged({"a": server, "b": {"url": "https://b"}}).commands
    assert token not in str(row.to_json())
    assert row.about == (
        "switched off in the file",
        "in /srv",
        "with A, B in its environment",
        "tools of it run without asking anybody",
    )
    assert row.needs == ("NOWHERE is not set here",)
    assert merged({"up": {"type": "uplink"}}).rows[0].does == "waits until it dials in"
    loose = merged({"b": {"url": "https://b", "requireApproval": False}}).rows[0]
    assert loose.about == ("tools of it run without asking anybody",)


@requirement("PAGE-2:preview")
def test_what_is_told_has_everything_but_the_values() -> None:
    found = merged(
        {"gh": {"url": "https://other?${secret:k}"}, "plain": {"url": "https://plain"}},
        here=HERE,
        secrets={"k": "theirs"},
        stored={"k": "mine"},
    )
    told = found.to_json()
    assert (told["renamed"], told["unchanged"]) == ([{"id": "gh", "into": "gh-v2", "name": "gh (v2)"}], ["plain"])
    assert (told["secrets"], told["renamedSecrets"], told["ignored"]) == (["k-2"], {"k": "k-2"}, [])
    assert told["ready"] == [
        {
            "id": "gh-v2",
            "was": "gh",
            "name": "gh (v2)",
            "does": "https://other?${secret:k}",
            "about": [],
            "needs": [],
            "off": False,
        }
    ]
    assert (told["needsYou"], told["commands"]) == ([], [])
    assert "theirs" not in str(told)
    assert (
        found.digest
        == merged(
            {"gh": {"url": "https://other?${secret:k}"}, "plain": {"url": "https://plain"}},
            here=HERE,
            secrets={"k": "other"},
            stored={"k": "mine"},
        ).digest
    )
    assert found.digest != merged({"gh": {"url": "https://other?${secret:k}"}}, here=HERE).digest


def test_nobody_can_want_a_server_on_that_does_not_come() -> None:
    with pytest.raises(NoSuchServer, match='no server "plain" comes') as refused:
        merged({"a": {"url": "https://a"}, "plain": {"url": "https://plain"}}, here=HERE, run=["a", "plain"])
    assert refused.value.hint == "there are: a"
    with pytest.raises(NoSuchServer) as refused:
        merged({}, run=["x"])
    assert refused.value.hint == "there are: none"


# What is no payload


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"groups": {}},
        {"servers": []},
        {"servers": {}, "groups": []},
        {"servers": {}, "secrets": []},
        {"servers": {}, "secrets": {"a": 1}},
        {"servers": {}, "secrets": {"a": ""}},
        {"servers": {}, "secrets": {"@sign-in/a": "x"}},
        {"servers": {"a b": {"url": "https://a"}}},
        {"servers": {"a": {"command": 7}}},
        {"servers": {"a": {"type": ["http"], "url": {}}}},
        {"servers": {"a": {"command": "x", "enabeld": True}}},
        {"servers": {"a": {"url": "https://a", "headers": {"K": "${nothing:x}"}}}},
        {"servers": {"a": None}},
        {"servers": {}, "groups": {"g": {"color": 1}}},
    ],
)
def test_what_nobody_packed_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(BadPayload) as refused:
        check_payload(payload)
    assert "\n" not in str(refused.value)


# Laws

NAMES = st.sampled_from(["k", "k-2", "l", "gone"])
TEXT = NAMES.map(lambda name: f"${{secret:{name}}}") | st.sampled_from(["plain", "$$ ${env:HOME}"])
SERVERS = st.dictionaries(
    st.sampled_from(["a", "A", "b", "a-v2"]),
    st.fixed_dictionaries({}, optional={"headers": st.dictionaries(st.just("K"), TEXT), "enabled": st.booleans()}).map(
        lambda fields: {"url": "https://x", **fields}
    )
    | TEXT.map(lambda text: {"command": "x", "env": {"E": text}}),
    max_size=3,
)
VAULT = st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=3)


@requirement("PAGE-2:off")
@given(here=SERVERS, theirs=SERVERS, mine=VAULT, sent=VAULT)
def test_nothing_here_changes_and_whatever_came_reads_what_was_sent(
    here: dict[str, Any], theirs: dict[str, Any], mine: dict[str, str], sent: dict[str, str]
) -> None:
    document = {"version": 1, "mcpServers": here}
    payload = pack({"mcpServers": theirs}, sent.get).payload
    found = merge(document, payload, stored=mine.get, has=has)
    after, vault = apply(document, found.patch)["mcpServers"], {**mine, **found.secrets}
    assert {id: after[id] for id in here} == here
    assert {name: vault[name] for name in mine} == mine
    for row in found.rows:
        assert not (row.is_command and after[row.id].get("enabled", True))
        theirs_read = [sent.get(each) for each in _named(theirs[row.was])]
        ours_read = [vault.get(each) for each in _named(after[row.id])]
        assert all(their in (None, our) for their, our in zip(theirs_read, ours_read, strict=True))
    again = merge({"version": 1, "mcpServers": after}, payload, stored=vault.get, has=has)
    assert (again.patch, again.secrets) == ({}, {}) or {id.lower() for id in theirs} != set(theirs)


def _named(server: dict[str, Any]) -> list[str]:
    texts = [*server.get("headers", {}).values(), *server.get("env", {}).values()]
    return [text[len("${secret:") : -1] for text in texts if text.startswith("${secret:")]
