"""The status document for people: a table, one server whole, or one line for a shell prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.client import Answer
from reconciler.faces.cli.event_text import clock
from reconciler.faces.cli.paint import Painter

Row = Mapping[str, Any]

_SIGNS = {
    "connected": ("●", "+", "good"),
    "connecting": ("◌", ".", "busy"),
    "disconnected": ("○", "-", "muted"),
    "error": ("✗", "x", "bad"),
}


def is_unhealthy(row: Row) -> bool:
    """Whether a server that should be live is not well."""
    return bool(row["enabled"]) and row["health"] not in ("Healthy", "Suspended")


def is_paused(row: Row) -> bool:
    """Whether somebody keeps a server from running that the file has on."""
    paused = row.get("paused")
    over = paused and paused["until"] and datetime.fromisoformat(paused["until"]) <= datetime.now(UTC)
    return bool(row["enabled"] and paused and not over)


def is_out_of_sync(report: Answer) -> bool:
    """Whether something waits, or lives other than it was accepted."""
    return bool(report["pending"]) or any(row["sync"] != "Synced" for row in report["servers"])


def brief_text(report: Answer) -> str:
    """`3/4 ok, 1 waiting`: for a shell prompt."""
    enabled = [row for row in report["servers"] if row["enabled"]]
    paused = sum(is_paused(row) for row in enabled)
    well = sum(not is_unhealthy(row) for row in enabled) - paused
    wrong = [word for word, holds in (("file has errors", not report["source"]["valid"]),) if holds]
    if report["engine"] is None:
        return ", ".join(["no engine", *wrong])
    counts = ((paused, "paused"), (len(report["pending"]), "waiting"))
    return ", ".join([f"{well}/{len(enabled)} ok", *(f"{count} {word}" for count, word in counts if count), *wrong])


def status_lines(report: Answer, paint: Painter) -> Iterator[str]:
    """Everything: a head, a table, what waits, and what is wrong with the file."""
    yield _head(report, paint)
    rows = [_cells(row, paint) for row in report["servers"]]
    if rows:
        yield ""
        head = ("  SERVER", "STATUS", "TOOLS", "TRANSPORT", "REASON")
        yield from paint.table(head, rows).splitlines()
    yield from pending_lines(report, paint)
    yield from _calls_lines(report, paint)
    yield from _source_lines(report["source"], paint)


def _head(report: Answer, paint: Painter) -> str:
    engine, files = report["engine"], report["source"]["files"]
    known = "; this is the last that is known" if report["servers"] else ""
    runs = f"engine {engine['pid']}, up {span(engine['startedAt'])}" if engine else f"no engine runs{known}"
    listens = [paint.safe(engine["url"])] if engine and engine["url"] else []
    following = ["following the file"] if report["source"].get("following") else []
    parts = [f"serial {report['serial']}", *map(paint.safe, files[:1]), *following, runs, *listens]
    return f"{paint.role(paint.safe(report['project']), 'heading')}  {paint.either(' · ', ' - ').join(parts)}"


def _cells(row: Row, paint: Painter) -> list[tuple[str, str]]:
    sign, plain, role = _SIGNS[row["status"]]
    tools = "" if row["toolCount"] is None else str(row["toolCount"])
    return [
        (f"{paint.either(sign, plain)} {paint.safe(row['id'])}", "heading" if row["enabled"] else "muted"),
        (row["status"], role),
        (tools.rjust(5), "plain"),
        (row["transport"] or "", "muted"),
        (_reason(row, paint), "plain"),
    ]


def _reason(row: Row, paint: Painter) -> str:
    if not row["enabled"] and row["transport"]:
        return "disabled"
    reason = _pause_text(row) if is_paused(row) else (row["reason"] or "")
    reason = paint.safe(reason.splitlines()[0]) if reason else ""
    again = f"next try in {_until(row['nextRetryAt'])}" if row["nextRetryAt"] else ""
    remarks = [
        f"{_REMARKS[c['type']]}{paint.safe(c['message'])}"
        for c in row["conditions"]
        if c["type"] in _REMARKS and c["status"] == "False"
    ]
    return "; ".join(part for part in (reason, again, *remarks) if part)


def _pause_text(row: Row) -> str:
    paused = row["paused"]
    until = f", until {clock(paused['until'])}" if paused["until"] else ""
    return f"paused by {paused['who']} {span(paused['since'])} ago{until}"


def pending_lines(report: Answer, paint: Painter) -> Iterator[str]:
    """What waits for a yes, each with the command that gives it."""
    if not report["pending"]:
        return
    yield ""
    yield paint.role("Waiting for a yes", "heading")
    for pending in report["pending"]:
        server = paint.safe(pending["server"])
        by = f", by {paint.safe(pending['by'])}" if pending.get("by") else ""
        what = f"{pending['action']} ({', '.join(pending['marks'])}){by}, since {span(pending['since'])}"
        way_out = f"reconciler approve {pending['id']} {server}"
        yield f"  {server}  {what}   {paint.role(way_out, 'launch')}"


def _calls_lines(report: Answer, paint: Painter) -> Iterator[str]:
    waiting = report.get("calls", {}).get("waiting", 0)
    if waiting and report["engine"] is not None:
        yield ""
        said = "1 call waits for a yes" if waiting == 1 else f"{waiting} calls wait for a yes"
        yield f"{paint.role(said, 'heading')}   {paint.role('reconciler approvals', 'launch')}"


def _source_lines(source: Mapping[str, Any], paint: Painter) -> Iterator[str]:
    if source.get("remark"):
        yield ""
        yield paint.role(paint.safe(source["remark"]), "warning")
    wrong, held = [each for each in source["problems"] if each["severity"] == "error"], source.get("held")
    if wrong or held:
        yield ""
        yield paint.role("The file is not taken up; what was applied stays", "warning")
        if held and not any(problem["detail"] in held for problem in wrong):
            yield f"  {paint.safe(held)}"
        for problem in wrong:
            place = f"{paint.safe(problem['file'])}:{problem['line']}:{problem['column']}: " if problem["file"] else ""
            yield f"  {place}{paint.safe(problem['detail'])}"


_REMARKS = {
    "EnvironmentComplete": "",
    "ToolsPinned": "lock: ",
    "ListsComplete": "incomplete: ",
    "LogComplete": "",
    "ListsSteady": "",
    "MessagesSteady": "",
}
"""Conditions that are told beside a server when they do not hold, and what is put before them."""


def server_lines(row: Row, paint: Painter) -> Iterator[str]:
    """One server whole."""
    sign, plain, role = _SIGNS[row["status"]]
    name = paint.role(paint.safe(row["id"]), "heading")
    yield f"{paint.role(paint.either(sign, plain), role)} {name}  {row['status']}"
    for fact, value in _facts(row):
        if value not in (None, ""):
            first, *rest = paint.safe_lines(str(value))
            yield f"  {paint.role(fact.ljust(12), 'muted')}  {first}"
            yield from (f"  {'':12}  {line}" for line in rest)
    for condition in row["conditions"]:
        yield f"  {paint.role(condition['type'].ljust(12), 'muted')}  {_condition(condition, paint)}"


def _facts(row: Row) -> Iterator[tuple[str, Any]]:
    info = row["serverInfo"] or {}
    yield "name", row["name"] if row["name"] != row["id"] else None
    yield "reason", row["reason"]
    if is_paused(row):
        until = f"at {clock(row['paused']['until'])}, or " if row["paused"]["until"] else ""
        yield "runs again", f"{until}after `reconciler resume {row['id']}`"
    yield "next try", f"in {_until(row['nextRetryAt'])}" if row["nextRetryAt"] else None
    yield "health", f"{row['health']}, {row['sync']}"
    yield "transport", row["transport"]
    yield "group", row["group"]
    yield "asks", {True: "before every call", False: "never", "writes": "before a write"}.get(row["requireApproval"])
    yield "tools", row["toolCount"]
    yield "server", " ".join(str(info[key]) for key in ("name", "version") if info.get(key))
    yield "protocol", row["protocolVersion"]
    yield "offers", ", ".join(name for name, there in (row["capabilities"] or {}).items() if there)
    yield "process", row["pid"]
    yield "instance", row["instance"]
    yield "restarts", row["restarts"] or None
    yield "sign in at", row["authUrl"]
    yield "connected", f"{span(row['lastConnectedAt'])} ago" if row["lastConnectedAt"] else "never"
    yield "changed", f"{span(row['updatedAt'])} ago" if row["updatedAt"] else None


def _condition(condition: Mapping[str, Any], paint: Painter) -> str:
    said = paint.safe((condition["message"] or "").split("\n")[0])
    return f"{condition['status']}  {condition['reason']}{f': {said}' if said else ''}"


def span(since: str) -> str:
    """How long it is since a time, in one unit: `2 m`."""
    return _length((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())


def _until(moment: str) -> str:
    return _length((datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds())


def _length(seconds: float) -> str:
    whole = max(int(seconds), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= length:
            return f"{whole // length} {unit}"
    return f"{whole} s"
