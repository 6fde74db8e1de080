"""A pause: somebody keeps a server from running for a while, without a word of it in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.model.server import seconds
from reconciler.model.written import DURATION

LONGEST = timedelta(days=366)
"""A pause that ends by itself is no longer."""


@dataclass(frozen=True, slots=True)
class Pause:
    """`who` said so at `since`. It ends by itself at `until`; where that is None it lasts until somebody ends it."""

    who: str
    since: datetime
    until: datetime | None = None

    def to_json(self) -> dict[str, str | None]:
        """The shape of `paused` in status, plans and on the disk; times are RFC 3339 in UTC, to the millisecond."""
        until = _precise(self.until) if self.until else None
        return {"who": self.who, "since": _precise(self.since), "until": until}

    @property
    def begun(self) -> str:
        """What happened when it began: `paused by jo until 2026-11-21T20:00:00Z`."""
        return f"paused by {self.who}{self._until}"

    def __str__(self) -> str:
        """How it is: `paused by jo since 2026-11-21T12:00:00Z until 2026-11-21T20:00:00Z`."""
        return f"paused by {self.who} since {_plain(self.since)}{self._until}"

    @property
    def _until(self) -> str:
        return f" until {_plain(self.until)}" if self.until else ""


def pause_of(who: str, since: str, until: str | None) -> Pause:
    """The pause behind what `to_json` gave. Raises ValueError."""
    return Pause(who, datetime.fromisoformat(since), datetime.fromisoformat(until) if until else None)


def lasting(written: str) -> timedelta:
    """How long a pause lasts, as durations are written in the file (`30m`, `8h`). Raises ValueError, which says why."""
    if not re.fullmatch(DURATION, written):
        raise ValueError('must be a number with ms, s, m or h, such as "8h"')
    length = timedelta(seconds=min(seconds(written), 2 * LONGEST.total_seconds()))
    if not timedelta() < length <= LONGEST:
        raise ValueError(f"must be more than nothing, and at most {LONGEST.days} days")
    return length


def _precise(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
