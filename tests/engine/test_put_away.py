"""Secrets of a patch: into the vault, kept, or refused; and never somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.engine.put_away import PutAway, put_away, secret_uses
from reconciler.merge_patch import apply
from reconciler.model.document import hidden, masked_document
from tests.requirements import requirement

pytestmark = requirement("API-4:literals-go-to-the-vault")

URL = "https://example.com/mcp"


def away(
    patch: Any, stored: Any = None, vault: tuple[str, ...] = (), *, anew: bool = False, other: Any = None
) -> PutAway:
    """A patch of servers, put away; `other` is another document that counts."""
    before = {"mcpServers": stored or {}}
    uses = lambda: secret_uses(before, {"mcpServers": other or {}})  # noqa: E731
    return put_away({"mcpServers": patch}, before, uses, lambda: vault, anew=anew)


def servers(put: PutAway) -> Any:
    assert put.problems == []
    return put.patch["mcpServers"]


def test_literals_of_secret_fields_get_a_readable_name() -> None:
    put = away(
        {
            "docs": {
                "url": URL,
                "headers": {"Authorization": "Bearer abc", "X-Team": "${env:TEAM}", "X-Empty": ""},
                "oauth": {"clientId": "id", "clientSecret": "s3cret"},
            },
            "local": {"command": "x", "env": {"API KEY": "a$$b", "MODE": "pre-${env:M}"}, "args": ["--token", "t"]},
            "entra": {"url": URL, "azure": {"tenantId": "t", "clientSecret": "azure-secret"}},
        }
    )
    assert put.values == {
        "docs.headers.Authorization": "Bearer abc",
        "docs.oauth.clientSecret": "s3cret",
        "local.env.API_KEY": "a$b",
        "entra.azure.clientSecret": "azure-secret",
    }
    assert servers(put) == {
        "docs": {
            "url": URL,
            "headers": {
                "Authorization": "${secret:docs.headers.Authorization}",
                "X-Team": "${env:TEAM}",
                "X-Empty": "",
            },
            "oauth": {"clientId": "id", "clientSecret": "${secret:docs.oauth.clientSecret}"},
        },
        "local": {
            "command": "x",
            "env": {"API KEY": "${secret:local.env.API_KEY}", "MODE": "pre-${env:M}"},
            "args": ["--token", "t"],
        },
        "entra": {"url": URL, "azure": {"tenantId": "t", "clientSecret": "${secret:entra.azure.clientSecret}"}},
    }


@pytest.mark.parametrize(
    "fields",
    [{"env": ["TOKEN"]}, {"env": {"TOKEN": {"forward": True}}}, {"env": {"PORT": 8080}}, {"headers": None}, "text", 7],
)
def test_what_is_no_text_in_a_secret_field_is_left_for_validation(fields: Any) -> None:
    put = away({"a": fields})
    assert (servers(put), put.values) == ({"a": fields}, {})


def test_a_changed_literal_is_a_new_version_under_the_same_name() -> None:
    stored = {"a": {"url": URL, "headers": {"K": "${secret:a.headers.K}"}}}
    put = away({"a": {"headers": {"K": "new"}}}, stored, ("a.headers.K",))
    assert (put.values, servers(put)) == ({"a.headers.K": "new"}, {"a": {"headers": {"K": "${secret:a.headers.K}"}}})


@pytest.mark.parametrize(
    ("stored", "vault", "other"),
    [
        ({"a": {"headers": {"K": "literal"}}}, ("a.headers.K",), None),
        ({"a": {"headers": {"K": "${secret:shared}"}}}, ("a.headers.K", "shared"), None),
        ({"a": {"headers": {"K": "Bearer ${secret:a.headers.K}"}}}, ("a.headers.K",), None),
        ({"a": {"headers": {"K": "${secret:a.headers.K}", "L": "${secret:a.headers.K}"}}}, ("a.headers.K",), None),
        ({"a": {"headers": {"K": "${secret:a.headers.K}"}}}, (), {"b": {"env": {"X": "${secret:a.headers.K}"}}}),
        (None, ("a.headers.K",), None),
        (None, (), {"b": {"headers": {"K": "${secret:a.headers.K}"}}}),
    ],
    ids=["a leftover", "another's name", "part of a text", "used twice", "used elsewhere", "taken", "referred to"],
)
def test_no_other_secret_is_ever_written_over(stored: Any, vault: tuple[str, ...], other: Any) -> None:
    put = away({"a": {"headers": {"K": "new"}}}, stored, vault, other=other)
    assert put.values == {"a.headers.K-2": "new"}


def test_two_places_never_share_a_name() -> None:
    long = "X" * 200
    put = away({"a": {"env": {"A B": "1", "A_B": "2", f"{long}1": "3", f"{long}2": "4"}}})
    assert len(put.values) == 4
    assert all(len(name) <= 128 for name in put.values)
    assert sorted(put.values.values()) == ["1", "2", "3", "4"]


def test_what_decides_a_launch_is_named_anew_where_that_is_asked_for() -> None:
    stored = {"a": {"env": {"K": "${secret:a.env.K}"}, "headers": {"K": "${secret:a.headers.K}"}}}
    put = away({"a": {"env": {"K": "1"}, "headers": {"K": "2"}}}, stored, ("a.env.K", "a.headers.K"), anew=True)
    assert put.values == {"a.env.K-2": "1", "a.headers.K": "2"}
    put = away({"a": {"env": {"K": "1"}}}, stored, ("a.env.K", "a.headers.K"))
    assert put.values == {"a.env.K": "1"}


GITHUB, OPENAI = "ghp_" + "a1" * 12, "sk-" + "q7" * 20


@pytest.mark.parametrize(
    ("fields", "stays", "values"),
    [
        ({"args": ["-t", GITHUB]}, {"args": ["-t", "${secret:a.args.1}"]}, {"a.args.1": GITHUB}),
        (
            {"args": ["$$x ${env:P} --token=" + GITHUB]},
            {"args": ["$$x ${env:P} --token=${secret:a.args.0}"]},
            {"a.args.0": GITHUB},
        ),
        (
            {"args": [f"{GITHUB},{OPENAI}$$"]},
            {"args": ["${secret:a.args.0},${secret:a.args.0-2}$$"]},
            {"a.args.0": GITHUB, "a.args.0-2": OPENAI},
        ),
        (
            {"url": "https://me:pass-word@example.com/mcp?api_key=0123456789"},
            {"url": "https://${secret:a.url}@example.com/mcp?api_key=${secret:a.url-2}"},
            {"a.url": "me:pass-word", "a.url-2": "0123456789"},
        ),
        ({"url": "https://me:${env:P}@example.com/"}, {"url": "https://me:${env:P}@example.com/"}, {}),
        ({"args": ["image@sha256:" + "0a1b2c3d4e5f6789" * 4, "${open"]}, None, {}),
        ({"description": GITHUB, "metadata": {"args": GITHUB}}, None, {}),
    ],
)
def test_secrets_of_known_kinds_leave_arguments_and_addresses(fields: Any, stays: Any, values: Any) -> None:
    put = away({"a": fields})
    assert (servers(put), put.values) == ({"a": stays or fields}, values)


def test_the_same_arguments_again_change_nothing_but_for_who_needs_a_yes() -> None:
    stored = {"a": {"command": "x", "args": ["--token=${secret:a.args.0}", "${secret:a.args.1}"]}}
    again, vault = {"a": {"args": [f"--token={GITHUB}", "y"]}}, ("a.args.0", "a.args.1")
    put = away(again, stored, vault)
    assert (servers(put)["a"]["args"], put.values) == (["--token=${secret:a.args.0}", "y"], {"a.args.0": GITHUB})
    assert away(again, stored, vault, anew=True).values == {"a.args.0-2": GITHUB}
    assert away({"a": {"args": [f"--key={GITHUB}"]}}, stored, vault).values == {"a.args.0-2": GITHUB}
    twice = {"a": {"args": ["${secret:a.args.0},${secret:a.args.0}"]}}
    assert away({"a": {"args": [f"{GITHUB},{OPENAI}"]}}, twice, vault).values == {
        "a.args.0-2": GITHUB,
        "a.args.0-3": OPENAI,
    }


def test_asterisks_keep_what_is_stored_where_it_is_written() -> None:
    stored = {
        "a": {
            "command": "x",
            "args": ["--token", "ghp_" + "a1" * 12, "end"],
            "env": {"K": "literal", "R": "${env:R}"},
            "description": "with ghp_" + "b2" * 12,
        }
    }
    patch = {
        "a": {
            "args": ["first", "--token", "***", "end"],
            "env": {"K": "***", "R": "***"},
            "description": "with ***",
        }
    }
    put = away(patch, stored)
    assert servers(put) == {"a": {"args": ["first", "--token", "ghp_" + "a1" * 12, "end"], "env": {}}}
    assert put.values == {}


def test_a_configuration_that_was_read_and_sent_back_changes_nothing() -> None:
    stored = {
        "version": 1,
        "mcpServers": {
            "a": {"command": "x", "args": ["sk-" + "q7" * 20], "env": {"A": "literal", "B": "x${env:B}$$"}},
            "b": {"url": "https://user:pass-word@example.com/", "headers": {"H": "v ${secret:b}"}},
        },
    }
    put = put_away(masked_document(stored, hidden), stored, dict, lambda: (), anew=True)
    assert (put.problems, put.values) == ([], {})
    assert apply(stored, put.patch) == stored


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"a": {"headers": {"New": "***"}}}, ("mcpServers", "a", "headers", "New")),
        ({"a": {"headers": {"H": "Bearer ***"}}}, ("mcpServers", "a", "headers", "H")),
        ({"new": {"env": {"K": "***"}}}, ("mcpServers", "new", "env", "K")),
        ({"a": {"args": ["***"]}}, ("mcpServers", "a", "args", 0)),
        ({"a": {"args": ["--token=***"]}}, ("mcpServers", "a", "args", 0)),
        ({"new": {"description": "***"}}, ("mcpServers", "new", "description")),
    ],
)
def test_asterisks_where_nothing_is_stored_are_a_problem_of_their_place(patch: Any, path: tuple[Any, ...]) -> None:
    put = away(patch, {"a": {"url": URL, "headers": {"H": "literal"}}})
    [problem] = put.problems
    assert (problem.code, problem.path, "nothing is stored there" in problem.detail) == ("nothing-stored", path, True)


def test_asterisks_of_no_secret_are_text() -> None:
    put = away({"a": {"description": "*** sale ***", "denyTools": ["***x"]}}, {"a": {"url": URL}})
    assert servers(put) == {"a": {"description": "*** sale ***", "denyTools": ["***x"]}}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"headers": {"H": "a\r\nInjected: yes"}}, "bad-header-value"),
        ({"headers": {"H": " spaced "}}, "bad-header-value"),
        ({"env": {"E": "nul\0"}}, "control-character"),
    ],
)
def test_what_could_never_be_sent_is_refused_before_it_is_hidden(fields: Any, code: str) -> None:
    put = away({"a": fields})
    [problem] = put.problems
    assert problem.code == code
    assert "Injected" not in problem.detail


def test_a_text_that_is_no_reference_is_left_for_validation() -> None:
    put = away({"a": {"env": {"K": "${nonsense:x}", "L": "${open"}}})
    assert (servers(put)["a"]["env"], put.values) == ({"K": "${nonsense:x}", "L": "${open"}, {})


def test_uses_are_found_wherever_a_text_stands() -> None:
    document = {"mcpServers": {"a": {"args": ["x", "${secret:one}${secret:two}"], "env": {"K": "${secret:${"}}}}
    where = ("mcpServers", "a", "args", 1)
    assert secret_uses(document) == {"one": {where}, "two": {where}}
