"""Ids made of names, and of ids that are taken: the one rule for both. `rules_names` says what an id is. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import count

_LONGEST = 63
_LONGEST_MADE = 40
"""A longer id would leave little room for the names of its tools."""
_RESERVED = "reconciler"
_NAMELESS = "server"


def id_of(name: str, taken: Iterable[str] = ()) -> str:
    """An id for what people call `name`, unlike each of `taken` in any case: `Ünit Tests (CI)` -> `unit-tests-ci`.

    Lower case, accents dropped, `-` for whatever is no ASCII letter, digit, `.`, `_` or `-`; at most 40 characters,
    but for the `-v2` of a taken one. A name without any of these is `server`.
    """
    letters = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    word = re.sub(r"([-_])[-_]+", r"\1", re.sub(r"[^a-z0-9._-]+", "-", plain))
    wanted = word.strip("._-")[:_LONGEST_MADE].rstrip("._-") or _NAMELESS
    forbidden = {_RESERVED, *(each.lower() for each in taken)}
    if wanted not in forbidden:
        return wanted
    return next(id for id in (numbered(wanted, version) for version in count(2)) if id not in forbidden)


def numbered(id: str, version: int) -> str:
    """An id beside the one that is taken: `docs` -> `docs-v2`."""
    ending = f"-v{version}"
    return id[: _LONGEST - len(ending)].rstrip("._-") + ending
