"""Who hears of updated resources, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from reconciler.faces.gateway.following import Following
from reconciler.faces.gateway.scope import Target
from reconciler.sessions.wishes import UPDATED
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:resources-followed"), pytest.mark.anyio]


class Project:
    """What is used of a project: whoever listens to its servers, and which resources of them are followed."""

    def __init__(self) -> None:
        self.told: set[Any] = set()
        self.followed: dict[str, frozenset[str]] = {}

    def follow_resources(self, server: str, uris: frozenset[str]) -> None:
        self.followed[server] = uris

    def say(self, uri: str, number: int) -> None:
        for told in self.told:
            told("one", UPDATED, {"uri": uri, "number": number})


async def test_a_storm_of_updates_is_heard_at_once_and_then_as_its_last() -> None:
    project = Project()
    following = Following(project)  # type: ignore[arg-type]  # all of a project that is used here
    heard: list[tuple[str, int]] = []
    last = asyncio.Event()

    def hear(params: Mapping[str, Any]) -> None:
        heard.append((params["uri"], params["number"]))
        if params["number"] == 999:
            last.set()

    stop = following.follow(Target("one", "a:1"), hear)
    following.follow(Target("one", "a:2"), hear)
    for number in range(1000):
        project.say("a:1", number)
    project.say("a:2", 1)
    project.say("a:3", 1)
    assert heard == [("a:1", 0), ("a:2", 1)]
    with anyio.fail_after(5):
        await last.wait()
    assert heard == [("a:1", 0), ("a:2", 1), ("a:1", 999)]
    project.say("a:1", 5)
    stop()
    assert project.followed == {"one": frozenset({"a:2"})}
