"""A pause: somebody keeps a server from running for a while, without a word of it in the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


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

    def __str__(self) -> str:
        """As a sentence goes on: `paused by jo since 2026-11-21T12:00:00Z until 2026-11-21T20:00:00Z`."""
        until = f" until {_plain(self.until)}" if self.until else ""
        return f"paused by {self.who} since {_plain(self.since)}{until}"


def pause_of(who: str, since: str, until: str | None) -> Pause:
    """The pause behind what `to_json` gave. Raises ValueError."""
    return Pause(who, datetime.fromisoformat(since), datetime.fromisoformat(until) if until else None)


def _precise(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
