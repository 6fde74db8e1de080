"""Connections of MCP Explorer as servers, and servers as its connections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.config.bring import bring
from reconciler.config.explorer import Remark, Servers, to_servers
from reconciler.config.explorer_back import Connections, from_servers
from reconciler.config.read import Source, read
from reconciler.model.secret import SecretRef, parse_template
from reconciler.problems import errors
from tests.requirements import requirement

pytestmark = requirement("PAGE-2:explorer-servers")

CREATED = "2026-11-21T12:00:00Z"
URL = "https://mcp.example.com/mcp"
AZURE = {"tenantId": "t", "clientId": "c", "clientSecret": "s", "scope": "api://x/.default"}
OAUTH = {"clientId": "cid", "redirectUri": "http://localhost:8090/oauth/callback", "scopes": "openid profile"}


def taken(**connection: Any) -> dict[str, Any]:
    """The server of one connection, about which there is nothing to say."""
    found = to_servers([{"name": "a", "endpoint": URL, **connection}])
    assert found.remarks == (), found.remarks
    return found.servers["a"]


def remarks(**connection: Any) -> list[tuple[str | None, str]]:
    return [remark[1:] for remark in to_servers([{"name": "a", "endpoint": URL, **connection}]).remarks]


def header(name: str, value: str, kind: str = "") -> dict[str, Any]:
    return {"name": name, "value": value, "authorizationType": kind, "isAuthorization": name == "Authorization"}


def test_a_connection_has_a_name_an_address_a_note_and_a_group() -> None:
    found = to_servers(
        [
            {
                "name": "GitHub (prod)",
                "endpoint": f" {URL} ",
                "note": " Issues ",
                "groupName": "The Team",
                "headers": [],
            },
            {"name": "Docs", "endpoint": URL, "note": "", "groupName": "the team"},
            {"name": "docs", "endpoint": URL, "groupName": "Other", "createdAt": CREATED, "lastUsedAt": None},
        ]
    )
    assert found == Servers(
        {
            "github-prod": {"url": URL, "name": "GitHub (prod)", "description": "Issues", "group": "the-team"},
            "docs": {"url": URL, "name": "Docs", "group": "the-team"},
            "docs-v2": {"url": URL, "name": "docs", "group": "other"},
        },
        {"the-team": {"name": "The Team"}, "other": {"name": "Other"}},
        (),
    )


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (header("Authorization", "tok", "Bearer"), {"Authorization": "Bearer tok"}),
        (header("authorization", "tok"), {"authorization": "Bearer tok"}),
        (header("Authorization", "dXNlcg==", "Basic"), {"Authorization": "Basic dXNlcg=="}),
        (header("X-Key", " k ", "Bearer"), {"X-Key": "k"}),
        ({"name": "X-Key", "value": "k"}, {"X-Key": "k"}),
        (header("X-Key", "a$b${c}$$d"), {"X-Key": "a$$b$${c}$$$$d"}),
    ],
)
def test_headers_are_what_that_product_sends(given: dict[str, Any], sent: dict[str, str]) -> None:
    assert taken(headers=[given])["headers"] == sent


@pytest.mark.parametrize(
    "headers", [[], None, "x", [header("", "x"), header("X-Key", " ")], [None, 5, {}], [{"name": 1, "value": "x"}]]
)
def test_a_header_without_a_name_or_a_value_is_none(headers: Any) -> None:
    assert "headers" not in to_servers([{"name": "a", "endpoint": URL, "headers": headers}]).servers["a"]


def test_a_header_that_cannot_be_sent_here_is_left_out_and_told() -> None:
    given = [
        header("X-Key", "one"),
        header("x-key", "two"),
        header("Host", "x"),
        header("a b", "x"),
        header("N", "1\n2"),
    ]
    found = to_servers([{"name": "a", "endpoint": URL, "headers": given}])
    assert found.servers["a"]["headers"] == {"X-Key": "one"}
    assert {remark.field for remark in found.remarks} == {"headers.x-key", "headers.Host", "headers.a b", "headers.N"}
    found = to_servers([{"name": "a", "endpoint": URL, "headers": [header("Host", "evil")]}])
    assert "headers" not in found.servers["a"] and "evil" not in str(found.remarks)


def test_azure_credentials_come_over_where_the_connection_uses_them() -> None:
    more = {**AZURE, "authorityHost": "https://login.example.com"}
    for mode in (1, "AzureClientCredentials", "azureclientcredentials"):
        assert taken(authenticationMode=mode, azureCredentials=more)["azure"] == more
    found = to_servers([{"name": "a", "endpoint": URL, "authenticationMode": 0, "azureCredentials": AZURE}])
    assert "azure" not in found.servers["a"] and found.remarks[0].field == "azureCredentials"


def test_a_secret_in_a_key_vault_has_to_be_stored_here() -> None:
    vault = {"vaultName": "kv-prod/eu", "secretName": "api secret"}
    for own in ({"clientSecret": ""}, {"clientSecret": None}):
        credentials = {**AZURE, **own, "keyVaultSecretRef": vault}
        found = to_servers([{"name": "a", "endpoint": URL, "authenticationMode": 1, "azureCredentials": credentials}])
        reference = found.servers["a"]["azure"]["clientSecret"]
        assert reference == "${secret:mcp-explorer.kv-prod_eu.api_secret}"
        assert parse_template(reference).references == (SecretRef("secret", "mcp-explorer.kv-prod_eu.api_secret"),)
        assert found.remarks[0].field == "keyVaultSecretRef"
        assert "`reconciler secret set mcp-explorer.kv-prod_eu.api_secret`" in found.remarks[0].text
    both = {**AZURE, "keyVaultSecretRef": vault}
    assert taken(authenticationMode=1, azureCredentials=both)["azure"] == AZURE
    oauth = {**OAUTH, "keyVaultSecretRef": vault}
    found = to_servers([{"name": "a", "endpoint": URL, "authenticationMode": 2, "oAuthOptions": oauth}])
    assert found.servers["a"]["oauth"]["clientSecret"] == reference


def test_a_reference_into_a_key_vault_never_names_the_secret_of_a_server() -> None:
    vault = {"vaultName": "", "secretName": "github.headers.Authorization"}
    credentials = {**AZURE, "clientSecret": "", "keyVaultSecretRef": vault}
    found = to_servers([{"name": "a", "endpoint": URL, "authenticationMode": 1, "azureCredentials": credentials}])
    assert found.servers["a"]["azure"]["clientSecret"] == "${secret:mcp-explorer..github.headers.Authorization}"


@pytest.mark.parametrize("lacking", ["tenantId", "clientId", "clientSecret", "scope"])
def test_azure_credentials_that_lack_something_are_no_server(lacking: str) -> None:
    credentials = {**AZURE, lacking: " "}
    assert remarks(authenticationMode=1, azureCredentials=credentials) == [
        (None, f"its azureCredentials lack {lacking}")
    ]
    assert "tenantId and clientId" in remarks(authenticationMode=1, azureCredentials="?")[0][1]


@pytest.mark.parametrize(
    ("options", "oauth"),
    [
        (None, True),
        ({"redirectUri": "http://localhost/", "scopes": ""}, True),
        ({"scopes": "a b,c; d"}, {"scopes": ["a", "b", "c", "d"]}),
    ],
)
def test_a_sign_in_without_a_client_registers_one(options: Any, oauth: Any) -> None:
    assert taken(authenticationMode=2, oAuthOptions=options)["oauth"] == oauth


def test_a_sign_in_with_a_client_says_that_its_address_is_another_here() -> None:
    more = {**OAUTH, "clientSecret": "$", "clientMetadataDocumentUri": "https://a.example.com"}
    found = to_servers([{"name": "a", "endpoint": URL, "authenticationMode": "OAuth", "oAuthOptions": more}])
    assert found.servers["a"]["oauth"] == {
        "clientId": "cid",
        "clientSecret": "$$",
        "scopes": ["openid", "profile"],
    }
    assert [remark.field for remark in found.remarks] == [
        "oAuthOptions.clientMetadataDocumentUri",
        "oAuthOptions.redirectUri",
    ]


@pytest.mark.parametrize("mode", [3, -1, True, 1.5, "Kerberos", [1]])
def test_a_sign_in_that_nobody_knows_is_no_server(mode: Any) -> None:
    assert "sign in" in remarks(authenticationMode=mode)[0][1]


@pytest.mark.parametrize(
    ("transport", "kind"), [("http", None), ("Streamable-HTTP", None), ("", None), (None, None), ("SSE", "sse")]
)
def test_the_transport_of_the_older_page_is_understood(transport: str | None, kind: str | None) -> None:
    assert taken(transport=transport).get("type") == kind


def test_a_command_of_the_older_page_is_one_line() -> None:
    found = taken(transport="stdio", endpoint="npx -y 'a b' $HOME ${x}")
    assert found == {"command": "npx", "args": ["-y", "a b", "$$HOME", "$${x}"], "name": "a"}
    assert taken(transport="stdio", endpoint="server") == {"command": "server", "name": "a"}
    given = {"headers": [header("X-Key", "k")], "authenticationMode": 2, "oAuthOptions": OAUTH}
    assert {field for field, _ in remarks(transport="stdio", endpoint="server", **given)} == {"headers", "oAuthOptions"}


@pytest.mark.parametrize(
    ("connection", "why"),
    [
        ({"endpoint": ""}, "no endpoint"),
        ({"endpoint": None}, "no endpoint"),
        ({"endpoint": "mcp.example.com"}, "http"),
        ({"endpoint": "file:///etc/passwd"}, "http"),
        ({"endpoint": "https://a b"}, "space"),
        ({"transport": "pigeon"}, "transport"),
        ({"transport": "stdio", "endpoint": "npx 'x"}, "quote"),
        ({"transport": "stdio", "endpoint": "''"}, "command"),
    ],
)
def test_what_can_be_no_server_is_left_out_and_told(connection: dict[str, Any], why: str) -> None:
    found = to_servers([{"name": "a", "endpoint": URL, "groupName": "Team", **connection}])
    assert (found.servers, found.groups) == ({}, {})
    assert found.remarks[0][:2] == ("a", None) and why in found.remarks[0].text


def test_what_is_no_connection_at_all_is_told_by_its_place() -> None:
    found = to_servers([None, [], "x", {}, {"name": 5, "endpoint": URL}])
    assert [remark.name for remark in found.remarks] == [f"Connection {number}" for number in range(1, 5)]
    assert found.servers == {"connection-5": {"url": URL, "name": "Connection 5"}}


def test_names_hold_nothing_unseen_and_are_not_too_long() -> None:
    found = to_servers([{"name": "a\u202eb\x1b[31m" + "x" * 300, "endpoint": URL, "note": "n" * 70_000, "\x1bz": 1}])
    (server,) = found.servers.values()
    assert server["name"].startswith("ab[31mx") and (len(server["name"]), len(server["description"])) == (255, 65_536)
    assert found.remarks[0].field == "z"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
words = st.sampled_from(["", URL, "a", "x-key", "${", "$", "npx 'a'", "http://[", "stdio", "sse", "Host", "a\nb"])
hostile = st.dictionaries(
    st.sampled_from(
        ["name", "endpoint", "authenticationMode", "azureCredentials", "oAuthOptions", "note", "groupName", "transport"]
    ),
    words
    | anything
    | st.integers(0, 2)
    | st.just(AZURE)
    | st.just({**OAUTH, "keyVaultSecretRef": {"secretName": "x"}}),
)


@example([{}], [header("two words", "two\nlines")])
@given(st.lists(hostile | anything, max_size=4), st.lists(st.builds(header, words, words), max_size=3))
def test_whatever_stands_in_a_file_comes_as_valid_servers_or_as_remarks(given: list[Any], headers: Any) -> None:
    connections = [{"endpoint": URL, "headers": headers, **each} if isinstance(each, dict) else each for each in given]
    found = to_servers(connections)
    written = {"version": 1, "mcpServers": found.servers, "groups": found.groups}
    reading = read([Source("a.json", json.dumps(written, ensure_ascii=False))], default_project="p")
    assert errors(reading.problems) == []
    assert len(found.servers) + sum(remark.field is None for remark in found.remarks) == len(given)
    assert bring({"mcpServers": {}}, written).added == tuple(found.servers)


# The other way


def given_back(look_up: Any = None, groups: Any = None, **server: Any) -> Connections:
    def nothing(reference: SecretRef) -> str:
        raise LookupError(str(reference))

    written = {"mcpServers": {"a": server}, **({"groups": groups} if groups else {})}
    return from_servers(written, created=CREATED, look_up=look_up or nothing)


def test_a_server_becomes_a_connection() -> None:
    headers = {"Authorization": "Basic dXNlcg== x", "X-Key": "a$$b"}
    found = given_back(url=URL, name="A", description="d", group="g", headers=headers, groups={"g": {"name": "The G"}})
    assert found == Connections(
        [
            {
                "name": "A",
                "endpoint": URL,
                "authenticationMode": 0,
                "headers": [header("Authorization", "dXNlcg== x", "Basic"), header("X-Key", "a$b")],
                "note": "d",
                "groupName": "The G",
                "createdAt": CREATED,
            }
        ],
        (),
        ("a",),
    )
    assert given_back(url=URL, group="g").connections[0]["groupName"] == "g"
    assert "groupName" not in given_back(url=URL).connections[0]


def test_what_is_kept_elsewhere_is_written_out() -> None:
    known = {"key": "k-1", "HOST": "mcp.example.com", "id": "c", "s": "S"}
    found = given_back(
        lambda reference: known[reference.name],
        url="https://${env:HOST}/mcp",
        headers={"X-Key": "${secret:key}", "X-Gone": "${secret:gone}", "Y": "y"},
        azure={**AZURE, "clientSecret": "${secret:s}", "scope": "${env:GONE}", "resource": "omit"},
    )
    (connection,) = found.connections
    assert connection["endpoint"] == URL
    assert [(each["name"], each["value"]) for each in connection["headers"]] == [("X-Key", "k-1"), ("Y", "y")]
    assert connection["azureCredentials"] == {**AZURE, "clientSecret": "S", "scope": ""}
    assert [remark.field for remark in found.left_out] == ["headers.X-Gone", "azure.resource", "azure.scope"]
    found = given_back(url="https://${env:GONE}/mcp", headers={"X": "y"})
    assert found.connections == [] and found.left_out[0].field is None and "GONE" not in found.left_out[0].text


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ({"command": "npx"}, "a program"),
        ({"type": "uplink"}, "a server without a url"),
        ({"mock": {"tools": []}}, "a server without a url"),
    ],
)
def test_what_cannot_be_a_connection_is_named(server: dict[str, Any], why: str) -> None:
    found = given_back(**server)
    assert found.connections == [] and found.left_out == (Remark("a", None, f"MCP Explorer cannot have {why}"),)


def test_every_field_that_has_no_place_there_is_named() -> None:
    found = given_back(url=URL, type="sse", enabled=False, timeouts={"call": "5s"}, denyTools=["x"], oauth=False)
    assert [remark.field for remark in found.left_out] == ["denyTools", "enabled", "timeouts", "type"]
    assert given_back(url=URL, type="http").left_out == ()


def test_an_authorization_without_a_scheme_would_get_one_and_is_left_out() -> None:
    for value in ("token", "token ", "Bearer "):
        found = given_back(url=URL, headers={"authorization": value})
        assert found.connections[0]["headers"] == []
        assert found.left_out[0].field == "headers.authorization"


@pytest.mark.parametrize(
    ("oauth", "options", "fields"),
    [
        (True, {"clientId": "", "scopes": ""}, ["oauth.clientId"]),
        ({"clientId": "c", "scopes": ["a", "b"]}, {"clientId": "c", "scopes": "a b"}, []),
        (
            {"clientId": "c", "clientSecret": "s", "issuer": "https://i", "resource": "omit"},
            {"clientId": "c", "clientSecret": "s", "scopes": ""},
            ["oauth.issuer", "oauth.resource"],
        ),
    ],
)
def test_a_sign_in_of_a_person_goes_back(oauth: Any, options: dict[str, str], fields: list[str]) -> None:
    found = given_back(url=URL, oauth=oauth)
    assert found.connections[0]["authenticationMode"] == 2
    assert found.connections[0]["oAuthOptions"] == {**options, "redirectUri": OAUTH["redirectUri"]}
    assert [remark.field for remark in found.left_out] == fields


def test_a_sign_in_of_a_program_has_no_place_there() -> None:
    oauth = {"grant": "client_credentials", "clientId": "c", "clientSecret": "s"}
    found = given_back(url=URL, oauth=oauth)
    assert found.connections[0]["authenticationMode"] == 0 and "oAuthOptions" not in found.connections[0]
    assert [remark.field for remark in found.left_out] == ["oauth"]


def test_names_are_told_apart_as_that_product_does() -> None:
    servers = {"a": {"url": URL, "name": "Docs"}, "b": {"url": URL, "name": "docs"}, "docs": {"url": URL}}
    servers["c"] = {"url": URL, "name": "DOCS (V2)"}
    found = from_servers({"mcpServers": servers}, created=CREATED, look_up=lambda _: "")
    names = [connection["name"] for connection in found.connections]
    assert names == ["Docs", "docs (v2)", "docs (v3)", "DOCS (V2) (v2)"]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["A", "b", "Ünï", "server 5"]),
                "endpoint": st.sampled_from([URL, "https://a.example.com/$x?y=${z}"]),
                "authenticationMode": st.just(0),
                "headers": st.lists(
                    st.sampled_from([header("Authorization", "t$", "Bearer"), header("X-Key", "${k}")]),
                    unique_by=lambda each: each["name"],
                ),
                "note": st.sampled_from(["", "a note"]),
            },
            optional={"groupName": st.sampled_from(["Team", "The other"])},
        ),
        unique_by=lambda each: each["name"],
    )
)
def test_connections_that_we_can_have_go_there_and_back(connections: list[dict[str, Any]]) -> None:
    found = to_servers(connections)
    back = from_servers(
        {"mcpServers": found.servers, "groups": found.groups}, created=CREATED, look_up=lambda _: "never asked"
    )
    assert back.connections == [{**each, "createdAt": CREATED} for each in connections] and back.left_out == ()
