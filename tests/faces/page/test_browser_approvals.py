"""Approvals by keys alone, and in a browser that stays on the page while calls come and go."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import expect

from tests.engine.desk import LIGHT
from tests.faces.cli.test_approvals import Agent
from tests.faces.page.browser import Browsing, Seat
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:approvals")

Calls = Callable[..., str]


@pytest.fixture
def seat(browse: Browsing, tmp_path: Path) -> Seat:
    """A browser at an engine whose server writes down what ran."""
    script = ["-E", "-S", "-u", str(LIGHT.with_name("tally.py")), "--file", str(tmp_path / "tally")]
    return browse({"it": {"command": sys.executable, "args": script}})


@pytest.fixture
def calls(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """`calls(key="a")` is a call that waits, and its id."""
    monkeypatch.setenv("RECONCILER_STATE_DIR", str(seat.engine.folder / "state"))
    agents: list[Agent] = []

    def call(**arguments: Any) -> str:
        agents.append(Agent(cast(Any, seat.engine)))
        return agents[-1].parked("it__add", **arguments)

    yield call
    for agent in agents:
        agent.go_away()


def fates(seat: Seat) -> dict[str, str]:
    """What became of each call, by its argument."""
    return {row["arguments"]["key"]: row["state"] for row in seat.engine.client.approvals(everything=True)}


def test_calls_are_answered_by_keys_and_the_focus_goes_on(seat: Seat, calls: Calls) -> None:
    ids = [calls(key=key) for key in "abcd"]
    page = seat.go("approvals")
    focused = page.locator("article:focus")
    for key, there in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(focused).to_have_id(ids[there])
    page.keyboard.press("a")
    expect(page.locator("#said")).to_contain_text("was allowed once")
    expect(page.locator(f"#{ids[1]}")).to_have_count(0)
    expect(focused).to_have_id(ids[2])
    page.keyboard.press("d")
    expect(page.locator("#said")).to_contain_text("was denied")
    expect(focused).to_have_id(ids[3])
    page.keyboard.press("Control+a")
    page.keyboard.press("j")
    expect(focused).to_have_id(ids[3])
    assert fates(seat) == {"a": "waiting", "b": "allowed", "c": "denied", "d": "waiting"}


def test_keys_answer_nothing_while_no_call_has_the_focus(seat: Seat, calls: Calls) -> None:
    calls(key="a")
    page = seat.go("approvals")
    for key in "adx":
        page.keyboard.press(key)
    expect(page.locator("#count")).to_have_text("One call waits for your answer.")
    assert fates(seat) == {"a": "waiting"}


def test_a_call_comes_and_goes_while_somebody_looks(seat: Seat, calls: Calls) -> None:
    page = seat.go("approvals")
    expect(page.locator("#count")).to_have_text("No call waits.")
    page.evaluate("() => { window.stayed = document.querySelector('p[role=status]'); }")
    call_id = calls(key="a")
    expect(page.locator("#count")).to_have_text("One call waits for your answer.")
    expect(page.locator("#badge-approvals")).to_have_text("1 waiting")
    assert page.evaluate("() => window.stayed.isConnected && window.stayed.textContent.includes('One call')")
    seat.shoot("approvals")
    seat.engine.client.answer_call(call_id, allow=False, who="somebody else")
    expect(page.locator("article")).to_have_count(0)
    expect(page.locator("#answered")).to_contain_text("answered by somebody else")
    assert page.url.endswith("/ui/approvals")


def test_without_a_script_a_call_is_answered_too(browse: Browsing, seat: Seat, calls: Calls) -> None:
    call_id = calls(key="a")
    plain = browse.sit(seat.engine, java_script_enabled=False)
    page = plain.go("approvals")
    page.locator(f"#once-{call_id}").click()
    expect(page.locator("#said")).to_contain_text("was allowed once")
    assert fates(seat) == {"a": "allowed"}
