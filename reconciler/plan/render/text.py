"""Plan -> lines for people. Reads the same actions that the JSON document and the executor read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, assert_never

from reconciler.plan.actions import (
    Action,
    Blocked,
    Check,
    Create,
    Delete,
    Disable,
    Enable,
    FieldChanged,
    NotAccepted,
    NotInFile,
    Plan,
    ProjectChanged,
    Reason,
    Reconnect,
    Regroup,
    SessionDown,
    Update,
    word,
)
from reconciler.plan.document import plan_id, summary
from reconciler.plan.render.created import created_fields
from reconciler.plan.render.lines import Line, Role, Row, Span, text_of, with_places
from reconciler.plan.render.values import label, shown, visible
from reconciler.problems import Place

_SIGNS: Mapping[type, tuple[str, str, Role]] = {
    Create: ("+", "+", "add"),
    Update: ("~", "~", "change"),
    Reconnect: ("↻", "*", "change"),
    Enable: ("▶", ">", "add"),
    Disable: ("⏸", "|", "change"),
    Regroup: ("→", "=", "change"),
    Delete: ("-", "-", "remove"),
}
_INDENT = "      "


def render_text(plan: Plan, *, ascii_only: bool = False) -> str:
    """The plan as plain text; `ascii_only` keeps to ASCII."""
    return text_of(plan_lines(plan, ascii_only=ascii_only))


def plan_lines(plan: Plan, *, ascii_only: bool = False) -> list[Line]:
    """The plan as lines; a plan that changes nothing is one line."""
    return _Painter(plan, ascii_only).lines()


def ago(since: datetime, now: datetime) -> str:
    """How long ago, in one unit: `2 m ago`."""
    seconds = max(int((now - since).total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def summary_text(plan: Plan) -> str:
    """`1 reconnect, 1 delete, 1 repair`, only what there is."""
    counts = summary(plan)
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count and name != "no-op")


class _Painter:
    """One plan on its way to lines."""

    def __init__(self, plan: Plan, ascii_only: bool) -> None:
        self.plan = plan
        self.ascii_only = ascii_only
        self.dot = "-" if ascii_only else "·"
        servers = [action.server for action in (*plan.actions, *plan.drift)]
        self.id_width = min(max(map(len, servers), default=0), 40) + 2

    def lines(self) -> list[Line]:
        plan = self.plan
        if plan.empty:
            return [(Span(self._nothing()),)]
        rows = [Row(line) for line in self._title()]
        for action in plan.actions:
            rows += self._action(action)
        rows += self._drift() + self._checks() + self._blocked()
        unchanged: Line = (Span(f" {self.dot} {plan.unchanged} unchanged", "muted"),)
        return [*with_places(rows), (), (Span(summary_text(plan)), *unchanged)]

    def _nothing(self) -> str:
        plan, count = self.plan, self.plan.unchanged
        base = self._base() if plan.against else f"serial {plan.serial}" if plan.has_state else "no state yet"
        return f"No changes. {count} server{'' if count == 1 else 's'} in sync ({base})."

    def _base(self) -> str:
        plan = self.plan
        return f"against {self._visible(plan.against)}" if plan.against else f"base serial {plan.serial}"

    def _title(self) -> list[Line]:
        plan = self.plan
        files = [path for path, _ in plan.source.files]
        more = f" (+{len(files) - 1} overlay{'s' if len(files) > 2 else ''})" if len(files) > 1 else ""
        parts = [self._visible(plan.project), *([self._visible(files[0]) + more] if files else []), self._base()]
        title: Line = (
            Span("Plan "),
            Span(plan_id(plan), "heading"),
            Span("   " + f" {self.dot} ".join(parts), "muted"),
        )
        if plan.has_state or plan.against:
            return [title, ()]
        return [(Span("No state yet: nothing has been applied here, so all of the file is new."),), title, ()]

    def _action(self, action: Action) -> list[Row]:
        inline, reasons = self._split(action)
        sign, plain_sign, role = _SIGNS[type(action)]
        notes = tuple(Span(f"! {note}  ", "launch") for note in action.notes)
        head: Line = (
            Span(f"  {plain_sign if self.ascii_only else sign} ", role),
            Span(self._visible(action.server).ljust(self.id_width), "heading"),
            Span(word(action).ljust(9) + "   ", role),
            *notes,
        )
        whole = "launch" in action.marks
        rows = [Row((*head, *inline.line), inline.place) if inline else Row(head)]
        rows += [self._reason(reason, whole) for reason in reasons]
        if isinstance(action, Create):
            rows += self._created(action)
        return rows

    def _split(self, action: Action) -> tuple[Row | None, tuple[Reason, ...]]:
        """What stands on the action's own line, and the reasons that follow below."""
        match action:
            case Create(because=(NotAccepted(place), *_)):
                return Row((), self._place(place)), ()
            case Delete(because=(NotInFile(named), *_)):
                return Row((Span("removed" if named else "not in the file", "muted"),)), ()
            case Enable() | Disable() | Regroup() if not action.notes:
                path = "/group" if isinstance(action, Regroup) else "/enabled"
                return self._lifted(action.because, path)
            case _:
                return None, action.because

    def _lifted(self, reasons: tuple[Reason, ...], path: str) -> tuple[Row | None, tuple[Reason, ...]]:
        for reason in reasons:
            if isinstance(reason, FieldChanged | ProjectChanged) and _field(reason) == path:
                rest = tuple(other for other in reasons if other is not reason)
                text = f"{path[1:]}: {self._values(reason, False)}"
                return Row((Span(text),), self._place(reason.place)), rest
        return None, reasons

    def _reason(self, reason: Reason, whole: bool) -> Row:
        match reason:
            case FieldChanged() | ProjectChanged():
                name = label(_field(reason), ascii_only=self.ascii_only)
                return Row(
                    (Span(f"{_INDENT}{name}  "), Span(self._values(reason, whole))),
                    self._place(reason.place),
                )
            case SessionDown():
                return Row((Span(_INDENT + self._down(reason)),))
            case NotAccepted() | NotInFile():
                return Row((Span(_INDENT + "as the file says"),))
            case _:
                assert_never(reason)

    def _values(self, reason: FieldChanged | ProjectChanged, whole: bool) -> str:
        text = self._change(reason, whole)
        if reason.sensitive:
            text += "  (secret)"
        if isinstance(reason, ProjectChanged):
            text += f"  by {label(reason.path, ascii_only=self.ascii_only)}"
        return text

    def _change(self, reason: FieldChanged | ProjectChanged, whole: bool) -> str:
        before, after = (
            shown(value, ascii_only=self.ascii_only, whole=whole) for value in (reason.before, reason.after)
        )
        if reason.before is None:
            return f"+ {after}"
        return f"- {before}" if reason.after is None else f"{before} -> {after}"

    def _created(self, action: Create) -> Iterator[Row]:
        whole = "launch" in action.marks
        for name, value in created_fields(action.patch):
            values: Any = value if isinstance(value, tuple) else (value,)
            text = " ".join(shown(item, ascii_only=self.ascii_only, whole=whole) for item in values)
            yield Row((Span(f"{_INDENT}{label('/' + name, ascii_only=self.ascii_only)}  "), Span(text)))

    def _down(self, down: SessionDown) -> str:
        when = f" {ago(down.since, self.plan.created)}" if down.since else ""
        return f"{self._visible(down.detail)}{when} -> reconnect"

    def _drift(self) -> list[Row]:
        rows = []
        for repair in self.plan.drift:
            detail = "; ".join(self._down(reason) for reason in repair.because if isinstance(reason, SessionDown))
            name = self._visible(repair.server).ljust(self.id_width)
            rows.append(Row((Span("  ! ", "warning"), Span(name, "heading"), Span(detail))))
        return [*self._heading("Drift"), *rows] if rows else []

    def _checks(self) -> list[Row]:
        rows = [self._check(check) for check in self.plan.checks]
        return [*self._heading("Notes"), *rows] if rows else []

    def _check(self, check: Check) -> Row:
        name = f"{self._visible(check.server)}: " if check.server else ""
        return Row((Span("  ! ", "warning"), Span(name + self._visible(check.message))), self._place(check.place))

    def _blocked(self) -> list[Row]:
        rows = [row for blocked in self.plan.blocked for row in self._one_blocked(blocked)]
        return [*self._heading("Blocked"), *rows] if rows else []

    def _one_blocked(self, blocked: Blocked) -> list[Row]:
        return [
            Row((Span("  ! ", "warning"), Span(self._visible(blocked.message)))),
            Row((Span(_INDENT + self._visible(blocked.way_out)),)),
        ]

    def _heading(self, text: str) -> list[Row]:
        return [Row(()), Row((Span(f"  {text}", "heading"),))]

    def _place(self, place: Place | None) -> str:
        return self._visible(str(place)) if place else ""

    def _visible(self, text: str | None) -> str:
        return visible(text or "", ascii_only=self.ascii_only)


def _field(reason: FieldChanged | ProjectChanged) -> str:
    return reason.field if isinstance(reason, ProjectChanged) else reason.path
