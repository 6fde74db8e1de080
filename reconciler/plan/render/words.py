"""Reasons and counts in words, as every rendering says them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from reconciler.model.pause import Pause
from reconciler.plan.actions import (
    Action,
    Create,
    FieldChanged,
    NotAccepted,
    NotInFile,
    Plan,
    ProjectChanged,
    Reason,
    SessionDown,
)
from reconciler.plan.document import summary, timestamp
from reconciler.plan.render.values import label, shown, visible
from reconciler.problems import Place

_AS_WRITTEN = ("cwd", "url", "type", "group", "requireApproval", "allowTools", "denyTools", "lock", "connection")


@dataclass(frozen=True, slots=True)
class Words:
    """One line about an action: a field's name (or ""), what is said of it, and where the file says it."""

    name: str
    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """How things are said: `now` for what is some time ago, ASCII only or not."""

    now: datetime
    ascii_only: bool = False

    def details(self, action: Action) -> list[Words]:
        """All there is to say of an action. What a person is asked to say yes to is never shortened."""
        whole = "launch" in action.marks
        said = [self.reason(reason, whole=whole) for reason in action.because]
        return [*said, *self._created(action.patch, whole)] if isinstance(action, Create) else said

    def reason(self, reason: Reason, *, whole: bool = False) -> Words:
        match reason:
            case FieldChanged():
                return Words(self._label(reason.path), self._change(reason, whole), reason.place)
            case ProjectChanged():
                text = f"{self._change(reason, whole)}  by {self._label(reason.path)}"
                return Words(self._label(reason.field), text, reason.place)
            case SessionDown(detail, since):
                when = f" {ago(since, self.now)}" if since else ""
                return Words("", f"{self.plain(detail)}{when} -> reconnect")
            case NotAccepted(place):
                return Words("", "new", place)
            case NotInFile(named):
                return Words("", "removed" if named else "not in the file")
            case _:
                assert_never(reason)

    def plain(self, text: str) -> str:
        """Text from elsewhere, harmless."""
        return visible(text, ascii_only=self.ascii_only)

    def _label(self, path: str) -> str:
        return label(path, ascii_only=self.ascii_only)

    def _change(self, reason: FieldChanged | ProjectChanged, whole: bool) -> str:
        before, after = (self._shown(value, whole) for value in (reason.before, reason.after))
        secret = "  (secret)" if reason.sensitive else ""
        if reason.before is None:
            return f"+ {after}{secret}"
        return f"- {before}{secret}" if reason.after is None else f"{before} -> {after}{secret}"

    def _shown(self, value: Any, whole: bool) -> str:
        return shown(value, ascii_only=self.ascii_only, whole=whole)

    def _created(self, written: Mapping[str, Any], whole: bool) -> Iterator[Words]:
        for name, values in _new_fields(written):
            yield Words(name, " ".join(self._shown(value, whole) for value in values))


def _new_fields(written: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What a person wants to know of a new server (masked, as written): a name, and values to stand in a line."""
    if "command" in written:
        yield "command", (written["command"], *written.get("args", ()))
    for name in _AS_WRITTEN:
        if name in written:
            yield name, (written[name],)
    for name in ("env", "headers"):
        if values := written.get(name):
            yield name, tuple(f"{k}={v}" for k, v in values.items()) if isinstance(values, Mapping) else tuple(values)
    for name in ("oauth", "azure", "tools"):
        if written.get(name):
            yield name, (written[name],)
    if written.get("mock"):
        yield "mock", (written["mock"].get("scenario", True),)
    if written.get("enabled") is False or written.get("disabled"):
        yield "enabled", (False,)


def pause_text(server_id: str, pause: Pause, now: datetime) -> str:
    """Who keeps a server from running, for how long already, until when, and the way out."""
    until = f", until {timestamp(pause.until)}" if pause.until else ""
    way_out = f"`reconciler resume {server_id}` ends that"
    return f"paused by {pause.who} {ago(pause.since, now)}{until}; {way_out}"


def ago(since: datetime, now: datetime) -> str:
    """How long ago, in one unit: `2 m ago`."""
    seconds = max(int((now - since).total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def summary_text(plan: Plan) -> str:
    """`1 reconnect, 1 delete, 1 repair`: only what there is."""
    counts = summary(plan)
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count and name != "no-op")


def in_sync(plan: Plan) -> int:
    """The servers to which nothing is done, but for those that are paused."""
    return plan.unchanged - len(plan.paused.keys() - {action.server for action in plan.actions})


def nothing_text(plan: Plan) -> str:
    """The one line of a plan that changes nothing."""
    count = in_sync(plan)
    base = f"against {visible(plan.against)}" if plan.against else f"serial {plan.serial}"
    known = base if plan.has_state or plan.against else "no state yet"
    paused = f", {len(plan.paused)} paused" if plan.paused else ""
    return f"No changes. {count} server{'' if count == 1 else 's'} in sync{paused} ({known})."


def base_text(plan: Plan) -> str:
    """What the plan compares with."""
    return f"against {visible(plan.against)}" if plan.against else f"base serial {plan.serial}"


def files_text(plan: Plan) -> str:
    """The file and how many overlays; empty when the document came from no file."""
    names = [path for path, _ in plan.source.files]
    more = f" (+{len(names) - 1} overlay{'s' if len(names) > 2 else ''})" if len(names) > 1 else ""
    return visible(names[0]) + more if names else ""
