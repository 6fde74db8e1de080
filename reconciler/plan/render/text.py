"""Plan -> lines for people. Reads the same actions that the JSON document and the executor read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.plan.actions import (
    Action,
    Create,
    Delete,
    Disable,
    Enable,
    Plan,
    Reconnect,
    Regroup,
    Update,
    word,
)
from reconciler.plan.document import plan_id
from reconciler.plan.render.lines import Line, Role, Row, Span, text_of, with_places
from reconciler.plan.render.lock import difference_lines, drift_text, told_apart
from reconciler.plan.render.words import (
    Speaker,
    Words,
    base_text,
    files_text,
    in_sync,
    nothing_text,
    pause_text,
    summary_text,
)
from reconciler.problems import Place

SIGNS: Mapping[type, tuple[str, str, Role]] = {
    Create: ("+", "+", "add"),
    Update: ("~", "~", "change"),
    Reconnect: ("↻", "*", "change"),
    Enable: ("▶", ">", "add"),
    Disable: ("⏸", "|", "change"),
    Regroup: ("→", "=", "change"),
    Delete: ("-", "-", "remove"),
}
"""An action's sign, the same in ASCII, and its role."""
_INDENT = " " * 6
_WIDEST_NAME = 40
_WIDEST_FIELD = 32
_MOST_LOCK_ROWS = 400


def render_text(plan: Plan, *, ascii_only: bool = False) -> str:
    """The plan as plain text; `ascii_only` keeps to ASCII."""
    return text_of(plan_lines(plan, ascii_only=ascii_only))


def plan_lines(plan: Plan, *, ascii_only: bool = False) -> list[Line]:
    """The plan as lines; a plan that changes nothing, with nothing to know beside it, is one line."""
    speaker = Speaker(plan.created, ascii_only)
    servers = [action.server for action in (*plan.actions, *plan.drift)]
    servers += [*plan.paused, *plan.tool_drift, *(change.server for change in plan.lock_changes)] or [""]
    painter = _Painter(plan, speaker, min(max(map(len, servers)), _WIDEST_NAME) + 2)
    return with_places(painter.rows())


def action_lines(plan: Plan, action: Action) -> list[Line]:
    """One action of a plan, as the plan shows it."""
    painter = _Painter(plan, Speaker(plan.created), min(len(action.server), _WIDEST_NAME) + 2)
    return with_places(painter.action(action))


class _Painter:
    """One plan on its way to rows; `width` is that of the column of ids."""

    def __init__(self, plan: Plan, speaker: Speaker, width: int) -> None:
        self.plan = plan
        self.speaker = speaker
        self.width = width
        self.dot = "-" if speaker.ascii_only else "·"

    def rows(self) -> Iterator[Row]:
        if self.plan.empty:
            yield Row((Span(self.speaker.plain(nothing_text(self.plan))),))
            yield from self._section("Drift", self._drift())
            yield from self._beside()
            return
        yield from self._title()
        for action in self.plan.actions:
            yield from self.action(action)
        yield from self._section("Drift", self._drift())
        yield from self._beside()
        yield from self._section("Blocked", self._blocked())
        yield Row(())
        unchanged = f" {self.dot} {in_sync(self.plan)} unchanged"
        unchanged += f" {self.dot} {len(self.plan.paused)} paused" if self.plan.paused else ""
        yield Row((Span(summary_text(self.plan)), Span(unchanged, "muted")))

    def _title(self) -> Iterator[Row]:
        if not self.plan.has_state and not self.plan.against:
            yield Row((Span("No state yet: nothing was applied here before, so all of the file is new."),))
        parts = [self.plan.project, files_text(self.plan), base_text(self.plan)]
        where = f" {self.dot} ".join(self.speaker.plain(part) for part in parts if part)
        yield Row((Span("Plan "), Span(plan_id(self.plan), "heading"), Span(f"   {where}", "muted")))
        if self.plan.actions:
            yield Row(())

    def action(self, action: Action) -> Iterator[Row]:
        """What is said of one action."""
        beside, below = _split(action, self.speaker.details(action))
        sign, ascii_sign, role = SIGNS[type(action)]
        head: Line = (
            Span(f"  {ascii_sign if self.speaker.ascii_only else sign} ", role),
            self._id(action.server),
            Span(word(action).ljust(9) + "   ", role),
            *(Span(f"! {note}   ", "launch") for note in action.notes),
        )
        name = f"{beside.name}: " if beside.name else ""
        muted: Role = "plain" if beside.name else "muted"
        yield Row((*head, Span(name + beside.text, muted)), self._place(beside.place))
        column = min(max((len(words.name) for words in below), default=0), _WIDEST_FIELD)
        for words in below:
            label = f"{words.name.ljust(column)}  " if words.name else ""
            yield Row((Span(_INDENT + label), Span(words.text)), self._place(words.place))

    def _drift(self) -> Iterator[Row]:
        for repair in self.plan.drift:
            detail = "; ".join(self.speaker.reason(reason).text for reason in repair.because)
            yield Row((Span("  ! ", "warning"), self._id(repair.server), Span(detail)))
        for server, pause in self.plan.paused.items():
            said = self.speaker.plain(pause_text(server, pause, self.speaker.now))
            yield Row((Span("  ! ", "warning"), self._id(server), Span(said)))

    def _beside(self) -> Iterator[Row]:
        """What changes nothing, and is to be known all the same."""
        yield from self._section("Tools", self._tools())
        yield from self._section("Lock", self._lock())
        yield from self._section("Notes", self._checks())

    def _tools(self) -> Iterator[Row]:
        for server, drift in self.plan.tool_drift.items():
            said = drift_text(drift, ascii_only=self.speaker.ascii_only)
            yield Row((Span("  ! ", "warning"), self._id(server), Span(said)))
        if self.plan.tool_drift:
            yield Row((Span(f"{_INDENT}`reconciler lock --diff` shows it", "muted"),))

    def _lock(self) -> Iterator[Row]:
        rows = list(self._lock_rows())
        yield from rows[:_MOST_LOCK_ROWS]
        if len(rows) > _MOST_LOCK_ROWS:
            yield Row((Span(f"{_INDENT}and {len(rows) - _MOST_LOCK_ROWS} more lines: -o json has all", "muted"),))

    def _lock_rows(self) -> Iterator[Row]:
        for change in self.plan.lock_changes:
            drift = [each.drifted for each in change.differences]
            said = drift_text(drift, ascii_only=self.speaker.ascii_only)
            yield Row((Span("  ~ ", "change"), self._id(change.server), Span(said)))
            lines = difference_lines(told_apart(change.differences), ascii_only=self.speaker.ascii_only)
            yield from (Row((Span("    "), *line)) for line in lines)

    def _checks(self) -> Iterator[Row]:
        for check in self.plan.checks:
            about = f"{check.server}: " if check.server else ""
            text = self.speaker.plain(about + check.message)
            line = (Span("  ! ", "warning"), Span(text), Span(f" [{check.code}]", "muted"))
            yield Row(line, self._place(check.place))
            if check.hint:
                yield Row((Span(_INDENT + self.speaker.plain(check.hint), "muted"),))

    def _blocked(self) -> Iterator[Row]:
        for blocked in self.plan.blocked:
            yield Row((Span("  ! ", "warning"), Span(self.speaker.plain(blocked.message))))
            yield Row((Span(_INDENT + self.speaker.plain(blocked.way_out)),))

    def _section(self, title: str, rows: Iterator[Row]) -> Iterator[Row]:
        for index, row in enumerate(rows):
            if index == 0:
                yield from (Row(()), Row((Span(f"  {title}", "heading"),)))
            yield row

    def _id(self, server_id: str) -> Span:
        return Span(self.speaker.plain(server_id).ljust(self.width), "heading")

    def _place(self, place: Place | None) -> str:
        return self.speaker.plain(str(place)) if place else ""


def _split(action: Action, details: list[Words]) -> tuple[Words, list[Words]]:
    """What stands on the action's own line, and what follows below."""
    match action:
        case Create():
            return Words("", "", details[0].place), details[1:]
        case Delete():
            return details[0], details[1:]
        case Enable() | Disable() | Regroup() if not action.notes:
            name = "group" if isinstance(action, Regroup) else "enabled"
            own = next(words for words in details if words.name == name)
            return own, [words for words in details if words is not own]
        case _:
            return Words("", ""), details
