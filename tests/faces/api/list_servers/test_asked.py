"""Bodies of the list-servers dialect in the words of our file. No engine."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.faces.api.list_servers.asked import id_for, read_patch, read_server
from reconciler.faces.http.problems import HttpProblem
from tests.requirements import requirement

pytestmark = requirement("API-1:neighbours")

HTTP = {"name": "N", "transportType": "http", "url": "https://x.example"}
STDIO = {"name": "N", "transportType": "stdio", "command": "npx"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (HTTP, {"name": "N", "url": "https://x.example"}),
        ({**HTTP, "transportType": "sse"}, {"name": "N", "url": "https://x.example", "type": "sse"}),
        (STDIO, {"name": "N", "command": "npx"}),
        ({**STDIO, "url": "", "args": "", "description": None, "env": None}, {"name": "N", "command": "npx"}),
        (
            {**STDIO, "args": "-y '@scope/a b' --flag=\"x y\" $HOME ; rm -rf /"},
            {"name": "N", "command": "npx", "args": ["-y", "@scope/a b", "--flag=x y", "$HOME", ";", "rm", "-rf", "/"]},
        ),
        ({**STDIO, "args": ["a b"]}, {"name": "N", "command": "npx", "args": ["a b"]}),
        ({**STDIO, "env": {"A": "1"}}, {"name": "N", "command": "npx", "env": {"A": "1"}}),
        (
            {**HTTP, "customHeaders": [{"key": "X", "value": "1"}, {"key": "Y", "value": ""}]},
            {"name": "N", "url": "https://x.example", "headers": {"X": "1", "Y": ""}},
        ),
        (
            {**HTTP, "oauthClientId": "id", "oauthClientSecret": "s", "oauthScope": "a b"},
            {
                "name": "N",
                "url": "https://x.example",
                "oauth": {"clientId": "id", "clientSecret": "s", "scopes": ["a", "b"]},
            },
        ),
        ({**HTTP, "oauthClientId": None, "oauthScope": ""}, {"name": "N", "url": "https://x.example"}),
        ({**HTTP, "connectionType": "direct"}, {"name": "N", "url": "https://x.example", "connection": "direct"}),
        (
            {**HTTP, "connectionType": "proxy", "proxyUrl": None, "proxyAuthHeader": "Authorization"},
            {"name": "N", "url": "https://x.example"},
        ),
        (
            {**HTTP, "requestTimeout": 1500, "maxTotalTimeout": 60000},
            {"name": "N", "url": "https://x.example", "timeouts": {"call": "60s"}},
        ),
        (
            {**HTTP, "requestTimeout": 1500.0},
            {"name": "N", "url": "https://x.example", "timeouts": {"call": "1500ms"}},
        ),
    ],
)
def test_a_create_is_a_server_of_the_file(body: dict[str, Any], fields: dict[str, Any]) -> None:
    assert read_server(body) == fields


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"transportType": "uplink"}, "transportType"),
        ({"transportType": None}, "transportType"),
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"command": "npx"}, "command"),
        ({"args": "it's"}, "args"),
        ({"args": [7]}, "args"),
        ({"env": ["A"]}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"customHeaders": {"X": "1"}}, "customHeaders"),
        ({"customHeaders": [{"key": "X"}]}, "customHeaders"),
        ({"customHeaders": [{"key": "X", "value": "1"}] * 2}, "customHeaders"),
        ({"connectionType": "tunnel"}, "connectionType"),
        ({"requestTimeout": 0}, "requestTimeout"),
        ({"requestTimeout": "30s"}, "requestTimeout"),
        ({"requestTimeout": True}, "requestTimeout"),
        ({"maxTotalTimeout": 1.5}, "maxTotalTimeout"),
        ({"maxTotalTimeout": 10**12}, "maxTotalTimeout"),
        ({"proxyUrl": "https://proxy.example"}, "proxyUrl"),
        ({"proxyAuthToken": "t"}, "proxyAuthToken"),
        ({"status": "connected"}, "status"),
        ({"capabilities": {}}, "capabilities"),
        ({"shell": True}, "shell"),
    ],
)
def test_what_cannot_be_is_named(more: dict[str, Any], member: str) -> None:
    with pytest.raises(HttpProblem) as refused:
        read_server({**HTTP, **more})
    assert (refused.value.status, str(refused.value).startswith(f"{member} ")) == (400, True)


@pytest.mark.parametrize(
    ("body", "patch"),
    [
        ({"name": "B", "description": None}, {"name": "B", "description": None}),
        ({"customHeaders": [{"key": "X", "value": "2"}]}, {"headers": {"X": "2", "Y": None}}),
        ({"customHeaders": []}, {"headers": {"X": None, "Y": None}}),
        ({"customHeaders": None}, {"headers": None}),
        ({"transportType": "sse"}, {"type": "sse"}),
        ({"transportType": "http", "connectionType": "proxy"}, {"type": None, "connection": None}),
        ({"oauthClientId": "c"}, {"oauth": {"clientId": "c"}}),
        ({"status": None}, {}),
    ],
)
def test_an_update_is_a_merge_patch_of_the_server(body: dict[str, Any], patch: dict[str, Any]) -> None:
    assert read_patch(body, {"url": "https://x.example", "headers": {"X": "1", "Y": "1"}}) == patch


def test_a_server_keeps_its_kind_of_transport() -> None:
    for kind, written in (("stdio", {"url": "https://x"}), ("http", {"command": "x"}), ("none", {"command": "x"})):
        with pytest.raises(HttpProblem):
            read_patch({"transportType": kind}, written)


@pytest.mark.parametrize(
    ("name", "taken", "server_id"),
    [
        ("Production Server", [], "production-server"),
        ("Production Server", ["Production-Server"], "production-server-2"),
        ("a", ["a", "a-2", "A-3"], "a-4"),
        ("a__b", [], "a-b"),
        ("..//..", [], "server"),
        ("reconciler", [], "server"),
        ("日本", ["server"], "server-2"),
        ("x" * 300, [], "x" * 48),
        ("_v1.2_", [], "v1.2"),
    ],
)
def test_an_id_is_made_of_the_name_and_is_new(name: str, taken: list[str], server_id: str) -> None:
    assert id_for(name, taken) == server_id
