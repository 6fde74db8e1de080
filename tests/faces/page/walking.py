"""Every view of the page, found as people find them: from the views in the sidebar on, by what they link to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page

from tests.faces.page.browser import Seat

OF_A_KIND = 3
"""Addresses that differ in a name alone and are looked at."""

_WORD = re.compile(r"[a-z][a-z-]*")
_LINKS = "() => [...document.querySelectorAll('a[href]')].map((link) => link.href)"
_TOUCH = """() => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  for (const each of document.querySelectorAll("*")) each.focus?.();
}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One address that was looked at; `kind` is it without names."""

    address: str
    kind: str
    status: int


def walk(seat: Seat, of_a_kind: int = OF_A_KIND) -> Iterator[Seen]:
    """Open one view after the other, with everything in it opened and touched; the seat's page shows what was seen."""
    page, base = seat.page, f"{seat.base}/ui/"
    waiting, known, kinds = [base], {base}, Counter[str]()
    while waiting:
        address = waiting.pop(0)
        kind = kind_of(address)
        kinds[kind] += 1
        if kinds[kind] > of_a_kind:
            continue
        answer = page.goto(address)
        assert answer is not None
        touch(page)
        found = [link.partition("#")[0] for link in page.evaluate(_LINKS)]
        yield Seen(address, kind, answer.status)
        for link in found:
            if link.startswith(base) and link not in known:
                known.add(link)
                waiting.append(link)


def touch(page: Page) -> None:
    """Open and focus everything, as somebody does who looks closely."""
    page.evaluate(_TOUCH)


def kind_of(address: str) -> str:
    """The path with `*` for each step that is a name, and the names of its parameters."""
    parts = urlsplit(address)
    steps = [step if _WORD.fullmatch(unquote(step)) else "*" for step in parts.path.strip("/").split("/")]
    names = sorted({each.partition("=")[0] for each in parts.query.split("&") if each})
    return "/".join(steps) + (f"?{'&'.join(names)}" if names else "")
