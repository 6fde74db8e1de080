"""What the lock file pins, as a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.canonical import digest


@dataclass(frozen=True, slots=True)
class Pins:
    """The lock beside the file; `digest` is None when there is none."""

    digest: str | None = None


def definition_digest(definition: Mapping[str, Any]) -> str:
    """What a tool, prompt or resource template is pinned by: the digest of its raw definition without `_meta`.

    One with numbers that no double holds has no canonical JSON; there the digits count as they came.
    """
    pinned = {key: value for key, value in definition.items() if key != "_meta"}
    try:
        return digest(pinned)
    except ValueError:
        return digest(json.dumps(pinned, sort_keys=True, ensure_ascii=False))
