"""A part of a page: an element with an id that is shown anew when it is not what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Part:
    """`html` makes the element; it is made anew when `mark` is another one.

    `within` is the part whose element holds this one: when that is shown anew, so is this.
    """

    html: Callable[[], Markup]
    mark: Any
    within: str = ""


def part(html: Markup, within: str = "") -> Part:
    """A part that is compared as what it looks like."""
    return Part(lambda: html, html, within)
