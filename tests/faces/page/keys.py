"""A person with a keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

MANY_TABS = 120
NO_MOUSE = "addEventListener('pointerdown', () => console.error('a mouse was used'), true)"
"""For a browser that nobody points at: where somebody does, it complains."""


def tab_to(page: Page, selector: str) -> Locator:
    """Go on with Tab until an element has the focus, as seen by a ring around it."""
    goal = page.locator(selector)
    for _ in range(MANY_TABS):
        page.keyboard.press("Tab")
        if goal.evaluate("(goal) => goal === document.activeElement && goal.matches(':focus-visible')"):
            return goal
    raise AssertionError(f"Tab does not reach {selector}")


def press(page: Page, selector: str, key: str = "Enter") -> None:
    """Press a key on an element."""
    tab_to(page, selector)
    page.keyboard.press(key)


def type_into(page: Page, **texts: str) -> None:
    """Type into fields, by their names, in the order of the form."""
    for name, text in texts.items():
        tab_to(page, f"form.entry [name={name}]")
        page.keyboard.type(text)
