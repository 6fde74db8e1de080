"""What an endpoint says of itself before anybody asks for a list."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from reconciler.faces.gateway.declared import (
    INSTRUCTIONS_EACH,
    INSTRUCTIONS_TOGETHER,
    capabilities_of,
    instructions_of,
    own_capabilities,
)
from reconciler.sessions.session import Handshake
from tests.requirements import requirement

pytestmark = requirement("GATE-1:surface")

LISTS: dict[str, Any] = {name: {"listChanged": True} for name in ("tools", "prompts", "resources")}
EVERYTHING = {**LISTS, "resources": {"listChanged": True, "subscribe": True}, "completions": {}, "logging": {}}


def shaken(capabilities: dict[str, Any], instructions: str | None = None) -> Handshake:
    return Handshake("handshake", "2025-11-25", {"name": "s"}, capabilities, instructions)


def offer(server_id: str, instructions: str | None, *, known: bool = True) -> Any:
    handshake = shaken({}, instructions) if known else None
    return SimpleNamespace(server=SimpleNamespace(id=server_id, name=server_id.title()), handshake=handshake)


def test_one_server_declares_its_own_and_that_its_lists_change() -> None:
    own = {"tools": {"vendor": 1}, "resources": {"subscribe": True, "listChanged": False}, "experimental": {"x": {}}}
    assert own_capabilities(shaken(own)) == {
        "tools": {"vendor": 1, "listChanged": True},
        "resources": {"subscribe": True, "listChanged": True},
        "experimental": {"x": {}},
    }
    assert own["tools"] == {"vendor": 1}


def test_tasks_are_not_declared_because_they_are_not_passed_on() -> None:
    own: dict[str, Any] = {
        "tasks": {"list": {}},
        "extensions": {"io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": {}},
    }
    assert own_capabilities(shaken(own)) == {"extensions": {"io.modelcontextprotocol/ui": {}}}


def test_several_servers_declare_what_one_of_them_has() -> None:
    assert capabilities_of([]) == LISTS
    assert capabilities_of([shaken({"tools": {}}), shaken({"logging": {}})]) == {**LISTS, "logging": {}}
    several = [shaken({"resources": {"subscribe": True}}), shaken({"completions": {}}), shaken({"logging": {}})]
    assert capabilities_of(several) == EVERYTHING
    assert capabilities_of([shaken({"resources": [], "completions": None, "tasks": {}, "x": {}})]) == LISTS


def test_what_has_not_been_reached_yet_may_have_everything() -> None:
    assert own_capabilities(None) == EVERYTHING
    assert capabilities_of([shaken({}), None]) == EVERYTHING


def test_instructions_stand_under_the_names_of_their_servers() -> None:
    offers = [
        offer("ark", "Two of each.\n"),
        offer("mute", None),
        offer("new", "x", known=False),
        offer("zoo", "Feed."),
    ]
    assert instructions_of(offers) == "# Ark (ark)\n\nTwo of each.\n\n# Zoo (zoo)\n\nFeed."
    assert instructions_of([offer("mute", "  \n")]) is None
    assert instructions_of([]) is None


def test_instructions_are_bounded_each_and_together() -> None:
    alone = instructions_of([offer("ark", "x" * 5_000)])
    assert alone is not None
    assert alone == f"# Ark (ark)\n\n{'x' * (INSTRUCTIONS_EACH - 1)}…"
    many = instructions_of([offer(f"s{n}", "x" * 1_900) for n in range(40)])
    assert many is not None
    assert len(many) == INSTRUCTIONS_TOGETHER
    assert many.endswith("…")
