"""Which connections a list is asked for, and from where to where. Every filter has to fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from starlette.requests import Request

from reconciler.faces.api.connect.cursors import cursor_after, read_cursor
from reconciler.faces.api.connect.entries import Entry
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.body import query_number
from reconciler.faces.http.problems import HttpProblem
from reconciler.merge_patch import equal

MOST = 100
"""Connections of a page, also where no limit is given."""
_METADATA = "metadata."


def page_of(request: Request, entries: Sequence[Entry]) -> tuple[list[Entry], str | None]:
    """The page of `entries` (sorted by id) that the query asks for, and the cursor of the next one.

    Raises HttpProblem 400.
    """
    limit, after = query_number(request, "limit", MOST), read_cursor(request.query_params.get("cursor"))
    if not 1 <= limit <= MOST:
        raise HttpProblem(400, "bad-number", f'"limit" must be 1 to {MOST}')
    wanted = (entry for entry in _fitting(request, entries) if after is None or entry.id > after)
    page = list(islice(wanted, limit))
    more = next(wanted, None) is not None
    return page, cursor_after(page[-1].id) if more else None


def _fitting(request: Request, entries: Sequence[Entry]) -> Iterator[Entry]:
    asked = request.query_params.multi_items()
    return (entry for entry in entries if all(_fits(request, entry, name, value) for name, value in asked))


def _fits(request: Request, entry: Entry, filter_name: str, value: str) -> bool:
    """Whether one parameter of the query lets the connection through; what is no filter lets all through."""
    if filter_name == "name":
        return entry.name == value
    if filter_name == "mcpUrl":
        return entry.is_at(value, host_of(request))
    if filter_name.startswith(_METADATA):
        key = filter_name.removeprefix(_METADATA)
        return key in entry.metadata and _means(value, entry.metadata[key])
    return True


def _means(text: str, value: Any) -> bool:
    """A text stands for itself, everything else is written as JSON."""
    if isinstance(value, str):
        return text == value
    try:
        return equal(json.loads(text), value)
    except (ValueError, RecursionError):
        return False
