"""What one server adds to a surface, and when that has to be made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.faces.gateway.share import Share
from reconciler.gate.policy import Policy
from reconciler.model.server import Mock, Server, ToolRule
from reconciler.sessions.listing import Listing
from tests.faces.gateway.counter import tool
from tests.requirements import requirement

pytestmark = requirement("GATE-1:surface")

LISTING = Listing(tools=(tool("one"), tool("two")), prompts=({"name": "p"},), resources=({"uri": "x://y"},))
QUIET = Policy(Server("ark", "Ark", Mock(), approval="never"))


def test_a_share_holds_for_the_very_same_definitions_only() -> None:
    share = Share("ark", LISTING, renamed=True)
    assert share.holds(LISTING)
    assert share.holds(replace(LISTING, tools=(*LISTING.tools,)))
    assert not share.holds(replace(LISTING, tools=tuple(reversed(LISTING.tools))))
    assert not share.holds(replace(LISTING, tools=LISTING.tools[:1]))
    assert not share.holds(replace(LISTING, prompts=({"name": "p"},)))
    assert not share.holds(replace(LISTING, resource_templates=({"uriTemplate": "x"},)))


@pytest.mark.parametrize(
    ("policy", "asks"),
    [
        (None, False),
        (QUIET, False),
        (replace(QUIET, server=replace(QUIET.server, approval="always")), True),
        (replace(QUIET, server=replace(QUIET.server, approval="writes")), True),
        (replace(QUIET, server=replace(QUIET.server, approval="writes"), read_only=frozenset({"one", "two"})), False),
        (replace(QUIET, server=replace(QUIET.server, rules=(ToolRule("two", "always"),))), True),
        (replace(QUIET, server=replace(QUIET.server, rules=(ToolRule("other", "always"),))), False),
    ],
)
def test_whether_some_tool_asks_is_worked_out_for_each_policy(policy: Policy | None, asks: Any) -> None:
    share = Share("ark", LISTING, renamed=True)
    for each in (QUIET, policy, policy, QUIET, policy):
        assert share.asks(each) is (asks if each is policy else False)


def test_what_was_allowed_for_always_asks_no_more() -> None:
    share = Share("ark", LISTING, renamed=False)
    policy = Policy(Server("ark", "Ark", Mock(), approval="always"))
    assert share.asks(policy)
    assert share.asks(replace(policy, remembered={"one": "me"}))
    assert not share.asks(replace(policy, remembered={"one": "me", "two": "me"}))
