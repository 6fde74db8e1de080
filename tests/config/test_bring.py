"""Servers of another file: what comes, under which id, and what was here already."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.bring import Brought, NothingToBring, Renamed, bring
from reconciler.merge_patch import apply
from tests.requirements import requirement

pytestmark = requirement("OPS-1:import")

GITHUB = {"command": "npx", "args": ["github"], "env": {"TOKEN": "${secret:github-token}"}}
HERE = {"version": 1, "mcpServers": {"github": GITHUB, "docs": {"url": "https://docs.example.com/mcp"}}}


def brought(**servers: Any) -> Brought:
    return bring(HERE, {"mcpServers": servers})


def test_a_server_that_is_not_here_comes_as_it_is() -> None:
    entry = {"command": "uvx", "args": ["time"]}
    found = brought(time=entry)
    assert (found.added, found.fresh, found.patch) == (("time",), ("time",), {"mcpServers": {"time": entry}})


def test_an_id_that_is_taken_gets_a_number_and_so_does_its_name() -> None:
    found = brought(github={"command": "other"}, docs={"url": "https://b.example.com", "name": "The docs"})
    assert found.renamed == (
        Renamed("github", "github-v2", "github (v2)"),
        Renamed("docs", "docs-v2", "The docs (v2)"),
    )
    assert found.fresh == ("github-v2", "docs-v2")
    assert found.patch["mcpServers"]["github-v2"] == {"command": "other", "name": "github (v2)"}
    third = bring(apply(HERE, found.patch), {"servers": {"github": {"command": "third"}}})
    assert third.renamed == (Renamed("github", "github-v3", "github (v3)"),)


def test_what_comes_again_is_here_already_under_the_id_that_it_got() -> None:
    incoming = {"mcpServers": {"github": {"command": "other"}, "new": {"command": "x"}}}
    once = apply(HERE, bring(HERE, incoming).patch)
    again = bring(once, incoming)
    assert (again.patch, again.unchanged) == ({}, ("github-v2", "new"))


@pytest.mark.parametrize("token", ["${secret:github-token}", "***", "a literal"])
def test_a_secret_that_is_stored_here_is_not_compared(token: str) -> None:
    found = brought(github={**GITHUB, "env": {"TOKEN": token}})
    assert (found.patch, found.unchanged) == ({}, ("github",))


def test_a_literal_that_is_shown_as_stars_is_the_same() -> None:
    here = {"mcpServers": {"a": {"url": "https://a", "headers": {"X-Key": "abcdefgh"}, "args": ["${"]}}}
    assert bring(here, {"mcpServers": {"a": {**here["mcpServers"]["a"], "headers": {"X-Key": "***"}}}}).patch == {}
    for change in ({"headers": {"X-Key": "else"}}, {"args": ["x"]}):
        other = {"mcpServers": {"a": {**here["mcpServers"]["a"], **change}}}
        assert [each.into for each in bring(here, other).renamed] == ["a-v2"]


@pytest.mark.parametrize(
    "entry",
    [
        {**GITHUB, "args": ["github", "more"]},
        {**GITHUB, "args": "github"},
        {**GITHUB, "args": [1]},
        {**GITHUB, "enabled": False},
        {"command": "npx"},
        {**GITHUB, "env": ["TOKEN"]},
    ],
)
def test_anything_else_that_differs_is_another_server(entry: Any) -> None:
    assert [each.into for each in brought(github=entry).renamed] == ["github-v2"]


def test_ids_that_differ_in_case_are_the_same_id() -> None:
    assert brought(GitHub=GITHUB).unchanged == ("github",)
    assert [each.into for each in brought(GitHub={"command": "x"}).renamed] == ["GitHub-v2"]
    twins = brought(new={"command": "x"}, NEW={"command": "x"})
    assert (twins.added, [each.into for each in twins.renamed]) == (("new",), ["NEW-v2"])


def test_a_long_id_leaves_room_for_its_number() -> None:
    long = "a" * 59 + ".-b" + "c"
    found = bring({"mcpServers": {long: {"command": "x"}}}, {"mcpServers": {long: {"command": "y"}}})
    assert found.renamed[0].into == "a" * 59 + "-v2"


def test_words_of_clients_become_ours_where_the_document_is_not_ours() -> None:
    theirs = {"a": {"type": "streamable-http", "url": "https://a", "disabled": True}, "b": {"disabled": "x", "type": 7}}
    assert bring(HERE, {"servers": theirs}).patch["mcpServers"] == {
        "a": {"type": "http", "url": "https://a", "enabled": False},
        "b": {"disabled": "x", "type": 7},
    }
    assert bring(HERE, {"version": 1, "mcpServers": theirs}).patch["mcpServers"] == theirs
    assert brought(c={"disabled": False, "enabled": False}).patch["mcpServers"]["c"] == {"enabled": False}


def test_groups_come_along_where_they_are_not_here_and_other_settings_stay_where_they_are() -> None:
    here = {**HERE, "groups": {"dev": {"name": "Ours"}}}
    incoming = {
        "version": 1,
        "project": "other",
        "$schema": "x",
        "groups": {"Dev": {"name": "Theirs"}, "ops": {"name": "Ops"}},
        "defaults": {"requireApproval": False},
        "inputs": [],
        "mcpServers": {"time": {"command": "uvx", "group": "ops"}},
    }
    found = bring(here, incoming)
    assert found.patch == {"mcpServers": incoming["mcpServers"], "groups": {"ops": {"name": "Ops"}}}
    assert found.ignored == ("defaults", "inputs")
    assert bring(here, {**incoming, "mcpServers": {}}).patch == {}
    assert bring(here, {**incoming, "groups": ["ops"]}).patch == {"mcpServers": incoming["mcpServers"]}
    assert "groups" not in bring(here, {**incoming, "groups": {"dev": {}}}).patch


@pytest.mark.parametrize(
    "incoming",
    [
        {},
        {"mcpServers": {}, "servers": {}},
        {"mcpServers": []},
        {"servers": {"a": None}},
        {"mcpServers": {"a": "x"}},
    ],
)
def test_what_has_no_servers_is_refused(incoming: Any) -> None:
    with pytest.raises(NothingToBring):
        bring(HERE, incoming)


ENTRIES = st.dictionaries(
    st.sampled_from(["command", "url", "name", "enabled", "args", "disabled"]),
    st.one_of(st.booleans(), st.sampled_from(["x", "y", "x (v2)"]), st.just(["a"])),
)
SERVERS = st.dictionaries(st.sampled_from(["a", "A", "b", "a-v2", "a-v3", "b-v2"]), ENTRIES, max_size=4)


@given(here=SERVERS, there=SERVERS)
def test_nothing_that_is_here_changes_and_everything_comes_once(here: dict[str, Any], there: dict[str, Any]) -> None:
    found = bring({"mcpServers": here}, {"version": 1, "mcpServers": there})
    after = apply({"mcpServers": here}, found.patch)["mcpServers"]
    assert {id: after[id] for id in here} == here
    assert set(after) - set(here) == set(found.fresh)
    assert len(found.fresh) + len(found.unchanged) == len(there)
    again = bring({"mcpServers": after}, {"version": 1, "mcpServers": there})
    lower = {id.lower() for id in after}
    assert len(lower) == len(after) or len({id.lower() for id in here}) < len(here)
    assert again.patch == {} or {id.lower() for id in there} != set(there)
