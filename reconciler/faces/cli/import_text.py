"""What comes out of a sealed file, for people: what is ready, what needs them, what would run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.faces.cli.paint import Painter

_LISTS = (("ready", "ready"), ("needsYou", "needs you"), ("commands", "commands"))


def came_lines(came: Mapping[str, Any], paint: Painter) -> Iterator[str]:
    """The three lists, what else is to be known, and what to do next."""
    renamed = {each["into"]: each["id"] for each in came["renamed"]}
    for kind, head in _LISTS:
        if came[kind]:
            yield paint.role(head, "heading")
        for row in came[kind]:
            yield from _row_lines(row, renamed, paint)
    for name, into in came["renamedSecrets"].items():
        yield f"the secret {name} comes as {into}: {name} holds another value here"
    if came["unchanged"]:
        yield f"here already: {', '.join(map(paint.safe, came['unchanged']))}"
    for remark in came["remarks"]:
        where = f"{remark['name']}: {remark['field']}" if remark["field"] else remark["name"]
        yield f"{paint.safe(where)}: {paint.safe(remark['text'])}"
    if came["ignored"]:
        yield f"this release does not know, and leaves out: {', '.join(map(paint.safe, came['ignored']))}"
    yield _end(came)


def _row_lines(row: Mapping[str, Any], renamed: Mapping[str, str], paint: Painter) -> Iterator[str]:
    off = f"  {paint.role('comes switched off', 'warning')}" if row["off"] else ""
    yield f"  {paint.role(paint.safe(row['id']), 'launch' if row['off'] else 'plain')}  {paint.safe(row['does'])}{off}"
    if row["id"] in renamed:
        yield f"    as {paint.safe(row['name'])}: {paint.safe(renamed[row['id']])} is another server here"
    yield from (f"    {paint.safe(text)}" for text in (*row["about"], *row["needs"]))


def _end(came: Mapping[str, Any]) -> str:
    rows = [row for kind, _ in _LISTS for row in came[kind]]
    count, off = len(rows), [row["id"] for row in rows if row["off"]]
    servers = f"{count} server{'s' if count != 1 else ''}"
    if came["dryRun"]:
        more = f"; `--run {off[0]}` has one on that comes switched off" if off else ""
        return f"{servers} would come; nothing was changed{more}"
    more = f"; {len(off)} switched off: delete `enabled: false` in the file when they may run" if off else ""
    waits = "; what waits is in `reconciler approve`" if came["pending"] else ""
    return f"{servers} came{more}{waits}"
