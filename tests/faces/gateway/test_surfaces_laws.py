"""Laws of who is told: over any row of changes, exactly those who would see another list, of exactly those kinds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.engine.offers import Offer
from reconciler.engine.project import Project
from reconciler.faces.gateway.scope import NotHere, Scope
from reconciler.faces.gateway.share import KINDS
from reconciler.faces.gateway.surfaces import Surfaces
from reconciler.gate.policy import Policy
from reconciler.model.document import Document
from reconciler.model.server import Mock, Server
from reconciler.sessions.listing import Listing, judge
from tests.requirements import requirement

pytestmark = requirement("GATE-1:changes", "GATE-1:surface")

IDS = ("a", "a_b", "z")
SCALARS = st.sampled_from([0, 1, True, False, 1.0, None, "x", ""])
EXTRA = st.dictionaries(st.sampled_from(["title", "vendor", "_meta"]), SCALARS, max_size=2)
WORDS = st.sampled_from(["one", "two", "_x", "__", "bad name", "denied_tool", "t" * 70])
TOOL = st.builds(lambda name, extra: {"name": name, "inputSchema": {"type": "object"}, **extra}, WORDS, EXTRA)
PROMPT = st.builds(lambda name, extra: {"name": name, **extra}, WORDS | st.sampled_from([1, None, "\n"]), EXTRA)
PLACE = st.builds(lambda uri, extra: {"uri": uri, "name": "n", **extra}, st.sampled_from(["x://1", "x://2", 5]), EXTRA)
PLAN = st.builds(lambda uri, extra: {"uriTemplate": uri, **extra}, st.sampled_from(["x://{a}", None]), EXTRA)
LISTING = st.builds(
    lambda tools, prompts, resources, templates: replace(
        judge(tools), prompts=tuple(prompts), resources=tuple(resources), resource_templates=tuple(templates)
    ),
    *(st.lists(each, max_size=3) for each in (TOOL, PROMPT, PLACE, PLAN)),
)
SERVER = st.builds(
    lambda enabled, group, connection, approval: Server(
        "", "S", Mock(), enabled=enabled, group=group, connection=connection, approval=approval, deny=("denied_*",)
    ),
    *(st.sampled_from(each) for each in ([True, True, False], ["g", "h", None], ["proxy", "proxy", "direct"])),
    st.sampled_from(["never", "never", "always", "writes"]),
)
STATE = st.dictionaries(st.sampled_from(IDS), st.tuples(SERVER, LISTING), max_size=3)
SCOPES: tuple[Mapping[str, str], ...] = ({}, {"group": "g"}, {"group": "h"}, {"server": "a"}, {"server": "z"})
State = Mapping[str, tuple[Server, Listing]]


class Ledger:
    document = Document()


class Offers:
    """What `engine.offers` is to a surface, out of a value."""

    def __init__(self) -> None:
        self.version = 0
        self.state: State = {}
        self.listeners: list[Callable[[], None]] = []

    def put(self, state: State) -> None:
        self.state = {key: (replace(server, id=key), listing) for key, (server, listing) in state.items()}
        self.version += 1
        for listener in self.listeners:
            listener()

    def all(self) -> tuple[Offer, ...]:
        return tuple(offer for offer in map(self.of, sorted(self.state)) if offer)

    def of(self, server_id: str) -> Offer | None:
        server, listing = self.state.get(server_id, (None, Listing()))
        if server is None or not server.enabled:
            return None
        policy = Policy(server)
        return Offer(
            server, None, replace(listing, tools=tuple(t for t in listing.tools if policy.offers(t["name"]))), True
        )

    def policy(self, server_id: str) -> Policy | None:
        return Policy(self.state[server_id][0]) if server_id in self.state else None

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


class Small:
    """A project as far as a surface knows it."""

    def __init__(self) -> None:
        self.offers = Offers()
        self.ledger = Ledger()


def view(surfaces: Surfaces, scope: Scope) -> dict[str, list[str]]:
    """What a client of the scope sees, order aside."""
    try:
        surface = surfaces.of(scope)
    except NotHere:
        return {kind: [] for kind in KINDS}
    lists = {
        "tools": json.loads(surface.tools_bytes),
        "prompts": json.loads(surface.prompts_bytes),
        "resources": [*json.loads(surface.resources_bytes), *json.loads(surface.resource_templates_bytes)],
    }
    return {kind: sorted(json.dumps(each, sort_keys=True) for each in lists[kind]) for kind in KINDS}


async def told_exactly_what_changed(states: list[State]) -> None:
    project = Small()
    surfaces, heard = Surfaces(), cast(list[set[str]], [set() for _ in SCOPES])
    scopes = [Scope(cast(Project, project), **words) for words in SCOPES]
    for position, scope in enumerate(scopes):
        surfaces.listen(scope, lambda kinds, at=position: heard[at].update(kinds))  # type: ignore[misc]
    shelf = surfaces._shelf(cast(Project, project))
    for state in states:
        before = [view(surfaces, scope) for scope in scopes]
        shelf.rest_until = 0.0
        project.offers.put(state)
        await checkpoint()
        assert not shelf.looking
        after = [view(surfaces, scope) for scope in scopes]
        for one, was, now in zip(heard, before, after, strict=True):
            assert one == {kind for kind in KINDS if was[kind] != now[kind]}
            one.clear()
        fresh = [view(Surfaces(), scope) for scope in scopes]
        assert fresh == after


@given(st.lists(STATE, min_size=2, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whoever_sees_another_list_is_told_of_it_and_nobody_else(states: list[State]) -> None:
    asyncio.run(told_exactly_what_changed(states))


@given(STATE)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_name_that_is_shown_leads_to_its_own_definition(state: State) -> None:
    project = Small()
    project.offers.put(state)
    surfaces = Surfaces()
    for scope in (Scope(cast(Project, project), **words) for words in SCOPES):
        try:
            surface = surfaces.of(scope)
        except NotHere:
            continue
        shown = [each for each in surface.tools if surface.tool(each["name"])]
        assert len(shown) >= len(surface.tools) - 1
        for each in shown:
            target = surface.tool(each["name"])
            assert target is not None
            (original,) = [one for one in state[target.server][1].tools if one["name"] == target.name]
            assert {**each, "name": target.name} == original
        assert len({each["name"] for each in surface.tools}) == len(surface.tools)
