"""Plan -> Markdown for a pull request: short, harmless, at most 60 kB, ending with what each person has to do.

All text that is not ours stands in code spans, where neither Markdown nor HTML nor mentions mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.plan.actions import Action, Plan, word
from reconciler.plan.document import patch_json, plan_id
from reconciler.plan.render.after_merging import Duty, duties
from reconciler.plan.render.lines import text_of
from reconciler.plan.render.lock import difference_lines, drift_text, told_apart
from reconciler.plan.render.text import SIGNS
from reconciler.plan.render.values import visible
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

LIMIT = 60_000
"""Bytes; what hosts accept as a comment is a little more."""
_PART = 18_000
"""Bytes for the table, and for the duties at the end; the fields and the patch share what is left."""
_LONGEST = 2_000


def render_markdown(plan: Plan) -> str:
    """The plan as Markdown (GitHub's dialect). What does not fit is counted instead of shown."""
    notes = _fitting(list(_notes(plan)), _PART, "- and {} more notes")
    if plan.empty:
        parts = [[nothing_text(plan)], notes, _lock(plan, LIMIT - _size(notes) - _PART)]
        return "\n\n".join("\n".join(part).rstrip() for part in parts if part) + "\n"
    head, foot = [*_head(plan), *_table(plan), *_blocked(plan), *notes, *([""] if notes else [])], _after_merging(plan)
    foot = [*_lock(plan, _PART // 2), *foot]
    room = LIMIT - _size([*head, *foot]) - _size(_folded("Fields", []))
    details = _folded("Fields", _fitting(list(_details(plan)), room, "- and {} more lines"))
    patch = _folded("Merge patch", ["```json", *patch_json(plan).splitlines(), "```"])
    whole = [*head, *details, *patch, *foot]
    return "\n".join(whole if _size(whole) <= LIMIT else [*head, *details, *foot]) + "\n"


def code(text: str) -> str:
    """`text` as a code span that nothing in it can end, harmless and at most 2 000 characters long."""
    shown = visible(text).replace("|", "\\u007c")
    if len(shown) > _LONGEST:
        shown = f"{shown[:_LONGEST]}…"
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) or not shown else ""
    return f"{fence}{gap}{shown}{gap}{fence}"


def _head(plan: Plan) -> list[str]:
    base = code(files_text(plan) or "reconciler.yaml"), code(base_text(plan))
    lines = [f"### Plan {code(plan_id(plan))} for {code(plan.project)}", ""]
    if not plan.has_state and not plan.against:
        lines += ["No state yet: nothing was applied here before, so all of the file is new.", ""]
    paused = f" · {len(plan.paused)} paused" if plan.paused else ""
    counts = f"**{summary_text(plan)}** · {in_sync(plan)} unchanged{paused}"
    return [*lines, f"{' · '.join(base)}", "", counts, ""]


def _table(plan: Plan) -> list[str]:
    repairs = [f"| ! | {code(repair.server)} | repair | |" for repair in plan.drift]
    rows = _fitting([*map(_row, plan.actions), *repairs], _PART, "| | and {} more | | |")
    return ["| | server | action | needs a yes |", "|---|---|---|---|", *rows, ""]


def _row(action: Action) -> str:
    sign = SIGNS[type(action)][0].replace("-", "−")
    return f"| {sign} | {code(action.server)} | {word(action)} | {', '.join(action.notes)} |"


def _blocked(plan: Plan) -> list[str]:
    lines = []
    for blocked in plan.blocked:
        lines += [f"> **Blocked**: {code(blocked.message)}", ">", f"> Way out: {code(blocked.way_out)}", ""]
    return lines


def _details(plan: Plan) -> Iterator[str]:
    speaker = Speaker(plan.created)
    for action in plan.actions:
        yield f"- {code(action.server)} {word(action)}"
        yield from (_detail(words) for words in speaker.details(action))
    for repair in plan.drift:
        yield f"- {code(repair.server)} repair"
        yield from (_detail(speaker.reason(reason)) for reason in repair.because)


def _notes(plan: Plan) -> Iterator[str]:
    for check in plan.checks:
        about = f" {code(check.server)}" if check.server else ""
        place = f" ({code(str(check.place))})" if check.place else ""
        hint = f": {code(check.hint)}" if check.hint else ""
        yield f"- {check.severity}{about}: {code(check.message)}{place} [{check.code}]{hint}"
    for server, pause in plan.paused.items():
        yield f"- drift {code(server)}: {code(pause_text(server, pause, plan.created))}"
    for server, drift in plan.tool_drift.items():
        yield f"- tools {code(server)}: {code(drift_text(drift))}"


def _lock(plan: Plan, room: int) -> list[str]:
    """How the lock changes; what cannot be seen in a definition is written out."""
    lines: list[str] = []
    for change in plan.lock_changes:
        drift = [each.drifted for each in change.differences]
        lines.append(f"- {code(change.server)} {code(drift_text(drift))}")
        rows = text_of(difference_lines(told_apart(change.differences))).splitlines()
        lines += [f"  - {code(row.strip())}" for row in rows]
    return _folded("Lock", _fitting(lines, room, "- and {} more lines")) if lines else []


def _detail(words: Words) -> str:
    name = f"{code(words.name)} " if words.name else ""
    text = code(words.text) if words.text else ""
    place = f" ({code(str(words.place))})" if words.place else ""
    return f"  - {name}{text}{place}"


def _after_merging(plan: Plan) -> list[str]:
    lines = _fitting([_duty(duty) for duty in duties(plan)], _PART, "- and {} more")
    return ["#### After merging, each person has to", "", *(lines or ["- do nothing: it takes effect by itself"])]


def _duty(duty: Duty) -> str:
    if duty.to_do == "say yes":
        return f"- say yes to {code(duty.server)}: {', '.join(duty.about)}"
    about = f" {', '.join(map(code, duty.about))}" if duty.about else ""
    return f"- {duty.to_do}{about} for {code(duty.server)}"


def _fitting(lines: list[str], room: int, more: str) -> list[str]:
    """As many lines as fit into `room` bytes, then `more` with how many do not."""
    room -= len(more) + 8
    for index, line in enumerate(lines):
        room -= _size([line])
        if room < 0:
            return [*lines[:index], more.format(len(lines) - index)]
    return lines


def _folded(title: str, lines: list[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def _size(lines: list[str]) -> int:
    return sum(len(line.encode("utf-8", "surrogatepass")) + 1 for line in lines)
