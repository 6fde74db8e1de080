"""The lock's answers in words: what differs, what was accepted. Reads what the engine says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.client import Answer
from reconciler.faces.cli.paint import Painter
from reconciler.model.pins import Drifted
from reconciler.plan.lock_diff import Changed, Difference
from reconciler.plan.render.lock import difference_lines, drift_text

_SILENT = ("accepted", "drift")


def check_lines(report: Answer, paint: Painter) -> Iterator[str]:
    """A line for each server that is not as pinned, or one that says that all are; then those left out, and why."""
    rows = report["servers"]
    drifted = [row for row in rows if row["standing"] == "drift"]
    for row in drifted:
        yield _drift_line(row, paint)
    if not drifted:
        count = sum(row["standing"] == "accepted" for row in rows)
        yield f"{report['lock']['file']}: no drift, {count} server{'' if count == 1 else 's'} as pinned"
    for row in rows:
        if row["standing"] not in _SILENT:
            role = "warning" if row["standing"] == "not-live" else "muted"
            why = paint.role(f"not compared: {paint.safe(row['why'])}", role)
            yield f"  {paint.safe(row['id'])}  {why}"


def _drift_line(row: Mapping[str, Any], paint: Painter) -> str:
    said = drift_text(_drift(row), ascii_only=paint.ascii_only)
    withheld = paint.role("  withheld", "bad") if row["mode"] == "enforce" else ""
    return f"{paint.role('!', 'warning')} {paint.role(paint.safe(row['id']), 'heading')}  {said}{withheld}"


def _drift(row: Mapping[str, Any]) -> list[Drifted]:
    return [Drifted(each["kind"], each["name"] or "", each["state"]) for each in row["drift"]]


def diff_text(report: Answer, paint: Painter) -> str:
    """Everything that changed in every server, word by word."""
    parts: list[str] = []
    for row in report["servers"]:
        if row["drift"]:
            lines = difference_lines(map(_difference, row["drift"]), ascii_only=paint.ascii_only)
            parts.append(f"{paint.role(paint.safe(row['id']), 'heading')}\n{paint.lines(lines)}")
    return "".join(parts) or f"{report['lock']['file']}: nothing differs\n"


def _difference(each: Mapping[str, Any]) -> Difference:
    changes = tuple(Changed(c["path"], c["state"], c["before"], c["after"]) for c in each.get("changes", ()))
    return Difference(Drifted(each["kind"], each["name"] or "", each["state"]), changes, each.get("hidden", {}))


def accepted_lines(before: Answer, done: Answer, paint: Painter) -> Iterator[str]:
    """What became of accepting."""
    file, count = done["file"], len(done["accepted"])
    servers = f"{count} server{'' if count == 1 else 's'}"
    if not done["written"]:
        yield f"{file} says all that already, {servers} as pinned"
    else:
        yield f"wrote {file}: {servers} pinned as they are"
    for row in before["servers"]:
        if row["id"] in done["accepted"] and row["drift"]:
            yield f"  {paint.safe(row['id'])}  accepted: {drift_text(_drift(row), ascii_only=paint.ascii_only)}"
        for each in row["unpinnable"]:
            yield f"  {paint.safe(row['id'])}  cannot be pinned: {each['kind']} {paint.safe(each['name'])!r}"
    for name in done["removed"]:
        yield f"  {paint.safe(name)}  taken out"
    for name, why in done["kept"].items():
        role = "warning" if name in done["unpinned"] else "muted"
        yield f"  {paint.safe(name)}  {paint.role(f'left as it was: {paint.safe(why)}', role)}"
