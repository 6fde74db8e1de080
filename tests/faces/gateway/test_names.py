"""Names that clients see: one for everything, and always the way back."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.config.rules_names import ID, LONGEST_VISIBLE
from reconciler.faces.gateway import names
from reconciler.faces.gateway.names import original_uri, visible_name, visible_names, visible_uri
from reconciler.sessions.limits import TOOL_NAME
from tests.requirements import requirement

pytestmark = requirement("GATE-1:names")

LONG = "x" * 45
WORD = st.text("aX.-", min_size=1, max_size=6).filter(lambda word: word[0].isalnum() and word[-1].isalnum())
JOINED = st.lists(WORD, min_size=1, max_size=3).map("_".join)
IDS = st.builds(str.__add__, st.sampled_from(["", f"{LONG}-", f"{LONG}_"]), JOINED).filter(
    lambda server: len(server) < 64
)
TOOLS = st.builds(
    "".join,
    st.tuples(st.sampled_from(["", "_", "__", "a__", LONG, f"{LONG}__"]), st.text("_aX.-", min_size=1, max_size=20)),
)
SERVERS = st.dictionaries(IDS, st.sets(TOOLS, max_size=5), max_size=4)


def check(owned: list[tuple[str, str]]) -> None:
    """The law: each pair has one name of its own, which no order changes and which names its server where it can."""
    found = visible_names(owned)
    assert set(found) == set(owned)
    assert len(set(found.values())) == len(owned)
    assert found == visible_names(reversed(owned))
    for (server, tool), visible in found.items():
        assert TOOL_NAME.fullmatch(visible)
        assert len(visible) <= LONGEST_VISIBLE
        if len(server) + 2 + len(tool) <= LONGEST_VISIBLE:
            assert visible.split("__", 1) == [server, tool]
        elif "__" in visible:
            assert visible.split("__", 1)[0] == server


@given(SERVERS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_two_tools_of_any_servers_have_one_name_and_every_name_leads_back(servers: dict[str, set[str]]) -> None:
    check([(server, tool) for server, tools in servers.items() for tool in tools])


def test_ten_thousand_sets_of_servers_that_grab_for_each_others_names() -> None:
    dice = Random(7)
    heads = ["", "a", "ab", LONG, f"{LONG}_a", f"{LONG}-a", "x" * 50, "x" * 52]
    tails = ["", "_a", "_b", ".c", "b", "_a_b", "-x"]
    servers = [head + tail for head in heads for tail in tails if head or tail[:1].isalnum()]
    assert all(ID.fullmatch(server) and "__" not in server for server in servers)
    words = ["", "_", "__", "a", "a__", "_a__b", "b", "reconciler__", *(f"{server}__" for server in servers), LONG]
    for _ in range(10_000):
        drawn = dice.sample(servers, 4)
        tools = ["".join(dice.choices(words, k=3)) + "t" for _ in range(5)]
        check(list({(server, tool[:128]) for server in drawn for tool in tools}))


@given(SERVERS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_even_where_every_short_hash_is_the_same_no_name_is_taken_twice(servers: dict[str, set[str]]) -> None:
    owned = [(server, tool) for server, tools in servers.items() for tool in tools]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "_hash", lambda text: "aaaaaaa" + hashlib.sha256(text.encode()).hexdigest()[:45])
        found = visible_names(owned)
        assert len(set(found.values())) == len(owned)
        assert found == visible_names(reversed(owned))


def test_two_cut_names_that_meet_both_change_and_an_uncut_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_hash", lambda text: "aaaaaa" + hashlib.sha256(text.encode()).hexdigest()[:46])
    cut = visible_name("a", "x" * 70 + "1")
    assert cut == visible_name("a", "x" * 70 + "2")
    taken = cut.removeprefix("a__")
    found = visible_names([("a", "x" * 70 + "1"), ("a", "x" * 70 + "2"), ("a", taken)])
    assert found["a", taken] == cut
    assert len(set(found.values())) == 3
    assert all(len(name) <= LONGEST_VISIBLE for name in found.values())


def test_a_cut_name_keeps_its_beginning_and_ends_with_six_characters_of_a_hash() -> None:
    name = visible_name("github", "create_" + "very_" * 12 + "long_name")
    assert name == "github__create_very_very_very_very_very_very_very_ver_o7s7un"
    assert visible_name("github", "short") == "github__short"
    assert visible_name("s", "x" * 57) == "s__" + "x" * 57
    assert len(visible_name("s", "x" * 58)) == 60


def test_a_tool_named_like_another_servers_tool_stays_with_its_own_server() -> None:
    found = visible_names(
        [("evil", "github__create_issue"), ("github", "create_issue"), ("evil", "_x"), ("evil_x", "x")]
    )
    assert found["evil", "github__create_issue"] == "evil__github__create_issue"
    assert len(set(found.values())) == 4


URIS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(IDS, URIS)
@settings(max_examples=500, deadline=None)
def test_a_uri_leads_back_to_its_server_and_to_itself(server: str, uri: str) -> None:
    assert original_uri(visible_uri(server, uri)) == (server, uri)


@given(st.tuples(IDS, URIS), st.tuples(IDS, URIS))
@settings(max_examples=500, deadline=None)
def test_two_resources_have_two_uris(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (visible_uri(*one) == visible_uri(*other)) == (one == other)


@pytest.mark.parametrize(
    "uri", ["", "file:///x", "reconciler:", "reconciler:a", "reconciler:a/", "reconciler:/x", "Reconciler:a/x"]
)
def test_a_uri_that_is_not_of_our_making_has_no_server(uri: str) -> None:
    assert original_uri(uri) is None


def test_placeholders_of_a_template_stay_placeholders() -> None:
    assert visible_uri("docs", "test://{+path}/data{?q,lang}") == "reconciler:docs/test://{+path}/data{?q,lang}"
