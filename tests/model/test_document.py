"""What a written document means: defaults, groups, nearest settings, digests, and what of it may be shown."""

from typing import Any

import pytest

from reconciler.canonical import digest
from reconciler.model.document import (
    Document,
    hidden,
    is_secret_path,
    launch_facts,
    masked_document,
    masked_fields,
    masked_server,
    masked_text,
    origin,
    references_in,
    strings_in,
    transport_word,
)
from reconciler.model.secret import HIDDEN
from tests.requirements import requirement

STDIO = {"command": "npx", "args": ["-y", "server"], "env": {"TOKEN": "hunter2"}}
REMOTE = {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${env:T}"}}


def document(server: Any, **top: Any) -> Document:
    return Document({"version": 1, **top, "mcpServers": {"a": server}}, "default-name")


def fingerprint(text: str) -> str:
    return f"#{len(text)}"


@requirement("CFG-2:seed-defaults")
def test_a_server_that_says_nothing_more_is_enabled_asks_and_is_named_by_its_id() -> None:
    facts = document({"command": "npx"}).facts("a")
    assert {key: facts[key] for key in ("enabled", "requireApproval", "name", "oauth", "type")} == {
        "enabled": True,
        "requireApproval": True,
        "name": "a",
        "oauth": False,
        "type": "stdio",
    }


@requirement("CFG-2:seed-fields")
def test_every_field_of_the_seed_keeps_its_value() -> None:
    written = {
        **STDIO,
        "enabled": False,
        "name": "GitHub",
        "requireApproval": False,
    }
    facts = document(written).facts("a")
    assert facts | written == facts
    remote = {**REMOTE, "oauth": True}
    assert document(remote).facts("a") | remote == document(remote).facts("a")


@requirement("CFG-2:seed-fields")
def test_a_list_of_names_in_env_forwards_them() -> None:
    assert document({"command": "a", "env": ["B", "A"]}).facts("a")["env"] == {
        "B": {"forward": True},
        "A": {"forward": True},
    }


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ({"command": "a"}, "stdio"),
        ({"url": "https://x"}, "http"),
        ({"url": "https://x", "type": "sse"}, "sse"),
        ({"url": "https://x", "type": "streamable-http"}, "http"),
        ({"url": "https://x", "type": "streamableHttp"}, "http"),
        ({"command": "a", "type": "local"}, "stdio"),
        ({"type": "uplink"}, "uplink"),
        ({}, "uplink"),
    ],
)
@requirement("CFG-3:transports")
def test_the_transport_is_written_or_inferred(written: dict[str, Any], word: str) -> None:
    assert transport_word(written) == word


def test_the_nearest_word_about_approval_holds() -> None:
    top = {"defaults": {"requireApproval": "writes"}, "groups": {"g": {"requireApproval": True}, "h": {}}}
    assert document({"command": "a"}, **top).facts("a")["requireApproval"] == "writes"
    assert document({"command": "a", "group": "h"}, **top).facts("a")["requireApproval"] == "writes"
    assert document({"command": "a", "group": "g"}, **top).facts("a")["requireApproval"] is True
    assert (
        document({"command": "a", "group": "g", "requireApproval": False}, **top).facts("a")["requireApproval"] is False
    )


@pytest.mark.parametrize(
    ("server", "group", "live"),
    [
        ({}, {}, True),
        ({"enabled": False}, {}, False),
        ({}, {"enabled": False}, False),
        ({"enabled": True}, {"enabled": False}, False),
    ],
)
def test_a_server_is_live_when_it_and_its_group_are_enabled(server: Any, group: Any, live: bool) -> None:
    facts = document({"command": "a", "group": "g", **server}, groups={"g": group}).facts("a")
    assert facts["enabled"] is live


def test_a_group_need_not_be_declared() -> None:
    assert document({"command": "a", "group": "somewhere"}).facts("a")["enabled"] is True


@requirement("CFG-1:mcp-json-is-valid")
def test_the_word_disabled_of_client_files_is_understood() -> None:
    facts = Document({"mcpServers": {"a": {"command": "a", "disabled": True}}}).facts("a")
    assert facts["enabled"] is False
    assert "disabled" not in facts
    both = Document({"mcpServers": {"a": {"command": "a", "disabled": True, "enabled": True}}})
    assert both.facts("a")["enabled"] is True


def test_deadlines_come_from_server_defaults_top_and_program_in_that_order() -> None:
    top = {"timeouts": {"start": "1s", "list": "1s"}, "defaults": {"timeouts": {"start": "2s"}}}
    assert document({"command": "a", "timeouts": {"call": "3s"}}, **top).facts("a")["timeouts"] == {
        "start": "2s",
        "list": "1s",
        "call": "3s",
    }


def test_the_lock_of_the_file_holds_for_servers_that_do_not_say_otherwise() -> None:
    assert document({"command": "a"}).facts("a")["lock"] == "warn"
    assert document({"command": "a"}, lock="enforce").facts("a")["lock"] == "enforce"
    assert document({"command": "a", "lock": "off"}, lock="enforce").facts("a")["lock"] == "off"


def test_the_env_file_belongs_to_the_servers_that_read_it() -> None:
    assert document({"command": "a", "env": ["A"]}, envFile=".env").facts("a")["envFile"] == ".env"
    assert document({"url": "${BASE}/mcp"}, envFile=".env").facts("a")["envFile"] == ".env"
    assert "envFile" not in document({"command": "a"}, envFile=".env").facts("a")
    assert "envFile" not in document({"command": "a", "env": ["A"]}).facts("a")


def test_a_document_names_its_project_or_has_the_default_name() -> None:
    assert Document({"project": "acme", "mcpServers": {}}, "x").project == "acme"
    assert Document({"mcpServers": {}}, "x").project == "x"
    assert Document().servers == {}
    assert Document().groups == {}
    assert document({}, lock="off").settings == {"version": 1, "lock": "off"}


def test_the_server_has_the_digest_of_its_spec() -> None:
    described = document(STDIO)
    assert described.server("a").spec == described.spec_digest("a")
    assert described.server("a").name == "a"


@pytest.mark.parametrize(
    "change",
    [{"args": ["x"]}, {"cwd": "/"}, {"env": {"TOKEN": "longer-than-before"}}, {"mock": {}}, {"env": ["TOKEN"]}],
)
def test_a_change_that_reconnects_moves_the_spec(change: dict[str, Any]) -> None:
    before = Document({"mcpServers": {"a": STDIO}}, hide=fingerprint)
    after = Document({"mcpServers": {"a": {**STDIO, **change}}}, hide=fingerprint)
    assert before.spec_digest("a") != after.spec_digest("a")


@pytest.mark.parametrize("change", [{"name": "A"}, {"enabled": False}, {"requireApproval": False}, {"lock": "off"}])
def test_any_other_change_leaves_the_spec(change: dict[str, Any]) -> None:
    assert document(STDIO).spec_digest("a") == document({**STDIO, **change}).spec_digest("a")


def test_a_secret_enters_a_digest_only_as_its_fingerprint() -> None:
    one = document({**STDIO, "env": {"TOKEN": "one"}})
    other = document({**STDIO, "env": {"TOKEN": "two"}})
    assert one.spec_digest("a") == other.spec_digest("a")
    assert one.digest == other.digest


def test_what_starts_something_or_contacts_somebody_has_a_launch_digest() -> None:
    stdio = document(STDIO)
    assert stdio.launch_digest("a") == stdio.launch_digest("a") is not None
    assert document(REMOTE).launch_digest("a")
    assert document({"type": "uplink"}).launch_digest("a") is None
    assert document({**STDIO, "mock": {}}).launch_digest("a") is None
    assert document({**STDIO, "mock": {"enabled": False}}).launch_digest("a")


def test_a_launch_is_the_origin_the_issuer_the_authority_and_the_references() -> None:
    azure = {"tenantId": "t", "clientId": "c", "clientSecret": "${secret:s}", "scope": "x", "authorityHost": "h"}
    facts = document({**REMOTE, "oauth": {"issuer": "https://id.example.com"}, "azure": azure}).facts("a")
    assert launch_facts(facts) == {
        "origin": "https://example.com",
        "issuer": "https://id.example.com",
        "authority": ["h", "t"],
        "references": ["${env:T}", "${secret:s}"],
    }
    assert launch_facts(document({**REMOTE, "oauth": {"scopes": []}}).facts("a")).keys() == {"origin", "references"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Example.com:8443/a?b", "https://example.com:8443"),
        ("http://user:pass@example.com/", "http://example.com"),
        ("https://[::1", "https://[::1"),
    ],
)
def test_the_origin_of_a_url_is_scheme_host_and_port(url: str, expected: str) -> None:
    assert origin(url) == expected


@requirement("API-3:holds")
@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("${env:BASE}/mcp", "${env:BASE}@evil.example/mcp"),
        ("${env:BASE}/mcp", "${env:BASE}.evil.example/mcp"),
        ("${env:BASE:-https://good.example}/mcp", "${env:BASE:-https://evil.example}/mcp"),
        ("https://${env:NAME:-good.example}/mcp", "https://${env:NAME:-evil.example}/mcp"),
        ("https://${NAME}/mcp", "https://${NAME}.evil.example/mcp"),
        ("https://good.example${env:X}/mcp", "https://good.example.${env:X}/mcp"),
        ("https://${env:X:-a}@good.example/mcp", "https://${env:X:-evil.example/}@good.example/mcp"),
    ],
)
def test_what_stands_beside_a_reference_to_a_host_is_part_of_the_launch(url: str, other: str) -> None:
    assert document({"url": url}).launch_digest("a") != document({"url": other}).launch_digest("a")


def test_a_reference_in_a_path_leads_nowhere_else() -> None:
    paths = ("https://example.com/${env:P}/mcp", "https://example.com/v2/${env:P}", "https://EXAMPLE.com?k=${env:P}#x")
    assert len({document({"url": url}).launch_digest("a") for url in paths}) == 1


def test_references_are_found_in_values_and_never_in_keys() -> None:
    value = {"${KEY}": ["${A}", {"b": ("${file:x}", "$B", "${broken")}], "n": 1, "d": "${C:-default}"}
    assert references_in(value) == {"${env:A}", "${file:x}", "${env:C}"}
    assert list(strings_in(value)) == ["${A}", "${file:x}", "$B", "${broken", "${C:-default}"]


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (("env", "TOKEN"), True),
        (("env", 0), False),
        (("env",), False),
        (("headers", "X-A"), True),
        (("oauth", "clientSecret"), True),
        (("oauth", "clientId"), False),
        (("azure", "clientSecret"), True),
        (("args", 0), False),
        ((), False),
    ],
)
def test_some_fields_of_a_server_hold_secrets(path: tuple[str | int, ...], secret: bool) -> None:
    assert is_secret_path(path) is secret


def test_a_masked_document_shows_no_literal_secret() -> None:
    written = {
        "project": "ghp_" + "a1B2" * 5,
        "groups": {"g": {"description": "plain"}},
        "mcpServers": {
            "a": {**STDIO, "args": ["--key=abcdefgh", "-y"], "oauth": {"clientSecret": "s", "scopes": ["read"]}},
            "b": {**REMOTE, "env": ["A"], "metadata": {"n": 1}, "azure": {"clientSecret": {"odd": ["s"]}}},
        },
    }
    assert Document(written, hide=fingerprint).masked() == {
        "project": "#24",
        "groups": {"g": {"description": "plain"}},
        "mcpServers": {
            "a": {
                "command": "npx",
                "args": ["--key=#8", "-y"],
                "env": {"TOKEN": "#7"},
                "oauth": {"clientSecret": "#1", "scopes": ["read"]},
            },
            "b": {**REMOTE, "env": ["A"], "metadata": {"n": 1}, "azure": {"clientSecret": {"odd": ["#1"]}}},
        },
    }


def test_a_patch_is_masked_like_a_document() -> None:
    assert masked_document({"mcpServers": {"a": None, "b": {"env": {"T": "s"}}}, "lock": None}, fingerprint) == {
        "mcpServers": {"a": None, "b": {"env": {"T": "#1"}}},
        "lock": None,
    }
    assert masked_document({"mcpServers": None}, fingerprint) == {"mcpServers": None}
    assert masked_fields(None, fingerprint) is None


@pytest.mark.parametrize(
    ("path", "shown"),
    [(("mcpServers", "a", "env", "T"), "#4"), (("mcpServers", "a", "args", 0), "text"), (("project",), "text")],
)
def test_a_text_is_masked_as_it_is_in_its_document(path: tuple[str | int, ...], shown: str) -> None:
    assert masked_text("text", fingerprint, path) == shown


@pytest.mark.parametrize(
    "settings",
    [{}, {"defaults": {"requireApproval": False}}, {"groups": {"g": {"enabled": False}}}, {"envFile": ".env"}],
)
def test_what_is_known_of_servers_goes_on_to_a_document_where_it_still_holds(settings: dict[str, Any]) -> None:
    a, b = {"command": "npx", "env": ["A"], "group": "g"}, {"command": "uvx"}
    first = Document({"mcpServers": {"a": a, "b": b, "c": b}}, "p", fingerprint)
    for server_id in first.servers:
        first.server(server_id), first.launch_digest(server_id)
    written = {**settings, "mcpServers": {"a": a, "b": {**b, "args": ["x"]}, "d": a}}
    second, fresh = first.with_written(written), Document(written, "p", fingerprint)
    assert (second.server("a") is first.server("a")) == (not settings)
    for server_id in written["mcpServers"]:
        assert second.facts(server_id) == fresh.facts(server_id)
        assert second.server(server_id) == fresh.server(server_id)
        assert second.launch_digest(server_id) == fresh.launch_digest(server_id)
        assert second.launch(server_id) == fresh.launch(server_id)
    assert (second, second.digest) == (fresh, fresh.digest)


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"version": 1},
        {"version": 1, "mcpServers": {}},
        {"mcpServers": None, "envFile": "sk-" + "q7" * 20},
        {
            "mcpServers": {
                "\U0001f600": {"command": "a"},
                "\ufffd": {"command": "b"},
                'q"': {"mock": {"n": 1.0, "m": 1e30}},
            }
        },
        {
            "a": [1, 2.5],
            "mcpServers": {"a": {"command": "x", "env": {"K": "literal"}}, "B": "no server"},
            "z": "\u00e9",
        },
    ],
)
def test_the_digest_is_that_of_what_may_be_shown(written: Any) -> None:
    for hide in (hidden, fingerprint):
        made = Document(written, "p", hide)
        assert made.digest == digest(made.masked()) == Document(written, "p", hide).digest


def test_the_text_of_a_server_for_digests_is_kept_once_for_each_id(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[Any, Any] = {}
    monkeypatch.setattr("reconciler.model.document._CANONICAL", known)
    for number in range(9):
        made = Document({"mcpServers": {"a": {"command": str(number)}}}, "p", fingerprint)
        assert made.digest == digest(made.masked())
    assert len(known) == 1
    monkeypatch.setattr("reconciler.model.document._MOST_REMEMBERED", 3)
    assert Document({"mcpServers": {str(number): {} for number in range(9)}}).digest
    assert len(known) <= 3


def test_what_was_hidden_in_another_way_is_not_taken_over() -> None:
    written = {"mcpServers": {"a": {"command": "npx", "env": {"K": "literal"}}}}
    first, other = Document(written, "p", fingerprint), Document(written, "p", hidden)
    assert first.launch_digest("a") != other.knowing(first).launch_digest("a")
    assert Document(written, "p", fingerprint).knowing(first).facts("a") is first.facts("a")


@requirement("API-3:holds")
def test_what_a_server_would_run_is_known_also_while_it_is_off_or_mocked() -> None:
    plain = {"command": "x", "args": ["y"]}
    servers = {
        "on": plain,
        "off": {**plain, "enabled": False},
        "mocked": {**plain, "mock": {"tools": []}},
        "only-mock": {"mock": {"tools": []}},
        "dials-in": {"type": "uplink"},
    }
    document = Document({"version": 1, "mcpServers": servers})
    digests = {server: document.dormant_digest(server) for server in servers}
    assert digests["on"] == digests["off"] == digests["mocked"] == document.launch_digest("on") is not None
    assert (digests["only-mock"], digests["dials-in"], document.launch_digest("mocked")) == (None, None, None)


def test_a_masked_server_is_remembered_for_what_hid_it_until_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    server, known = {"env": {"KEY": "literal"}}, dict[Any, Any]()
    monkeypatch.setattr("reconciler.model.document._MASKED", known)
    masked = masked_server("a", server, hidden)
    assert masked == {"env": {"KEY": HIDDEN}}
    assert masked_server("a", server, hidden) is masked
    assert masked_server("a", server, lambda text: f"#{len(text)}") == {"env": {"KEY": "#7"}}
    assert masked_server("a", {"env": {"OTHER": "literal"}}, hidden) == {"env": {"OTHER": HIDDEN}}
    assert len(known) == 2
    monkeypatch.setattr("reconciler.model.document._MOST_REMEMBERED", 2)
    for number in range(5):
        masked_server(str(number), server, hidden)
    assert len(known) <= 2
    assert masked_server("a", server, hidden) == masked
