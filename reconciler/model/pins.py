"""What the lock file pins, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pins:
    """The lock beside the file; `digest` is None when there is none."""

    digest: str | None = None
