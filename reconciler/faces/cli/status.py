"""`reconciler status`: what is live, what waits and why; without an engine, what was last known."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from reconciler.client import Answer, Client
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.event_text import event_line
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.paint import redrawn
from reconciler.faces.cli.planning import Ground, look, plan_on
from reconciler.faces.cli.reach import find
from reconciler.faces.cli.resting import report_at_rest, with_files_now
from reconciler.faces.cli.status_text import brief_text, is_out_of_sync, is_unhealthy, server_lines, status_lines
from reconciler.faces.cli.talk import data, data_json
from reconciler.store.state_dir import StateDir

_EVERY = 0.5
_RECENT = 10


@click.command("status")
@click.argument("server", metavar="[ID]", required=False)
@shared("json", project=True)
@click.option("--exit-code", "tell_state", is_flag=True, help="Exit with 2 when out of sync, 8 when not healthy.")
@click.option("--watch", "again", is_flag=True, help="Show it anew until Ctrl-C.")
@click.option("--brief", is_flag=True, help="One line, for a shell prompt.")
def command(options: Options, server: str | None, tell_state: bool, again: bool, brief: bool) -> int:
    """Show what is live, what waits, and why.

    With the ID of a server: that one whole, with how it ended before and what happened to it.
    """
    if again:
        _show_again(options, server, brief)
    state, client = find(options)
    report = _report(options, state, client)
    if options.json:
        data_json(_chosen(report, server))
    else:
        for line in _lines(report, client, server, brief, options):
            data(line)
    return _exit(report, options) if tell_state else Exit.DONE


def _report(options: Options, state: StateDir, client: Client | None) -> Answer:
    return with_files_now(client.status(), options) if client else report_at_rest(options, state)


def _lines(report: Answer, client: Client | None, server: str | None, brief: bool, options: Options) -> Iterator[str]:
    if server is not None:
        yield from server_lines(_row(report, server), options.paint)
        if client is not None:
            yield from _history(client, server, options)
    elif brief:
        yield brief_text(report)
    else:
        yield from status_lines(report, options.paint)


def _chosen(report: Answer, server: str | None) -> Answer:
    """The document, of one server where one was named."""
    return report if server is None else {**report, "servers": [_row(report, server)]}


def _row(report: Answer, server: str) -> Answer:
    for row in report["servers"]:
        if row["id"] == server:
            return dict(row)
    known = ", ".join(row["id"] for row in report["servers"]) or "none"
    raise Stop(Exit.SYSTEM, "unknown-server", f'no server "{server}" was applied', f"there are: {known}")


def _history(client: Client, server: str, options: Options) -> Iterator[str]:
    paint = options.paint
    events = client.events(limit=_RECENT, server=server)
    if events:
        yield ""
        yield paint.role("What happened", "heading")
        yield from (f"  {event_line(event, paint, with_server=False)}" for event in events)
    if len(client.history()) > 1:
        yield paint.role(
            "`reconciler rollback --list` shows what was applied, `reconciler rollback` goes back", "muted"
        )


def _show_again(options: Options, server: str | None, brief: bool) -> None:
    """Until Ctrl-C: drawn anew on a terminal, else whenever it changed; as JSON a line each."""
    if not options.paint.on_terminal or options.json:
        for report in _changes(options):
            lines = [json.dumps(_chosen(report, server))] if options.json else None
            for line in lines or _lines(report, None, server, brief, options):
                data(line)
            sys.stdout.flush()
        return
    with redrawn(sys.stdout) as draw:
        while True:
            draw([], list(_lines(_report(options, *find(options)), None, server, brief, options)))
            time.sleep(_EVERY)


def _changes(options: Options) -> Iterator[Answer]:
    """The report, and again whenever it is another. Engines may come and go meanwhile."""
    last: Answer = {}
    while True:
        report = _report(options, *find(options))
        if report != last:
            yield report
        last = report
        time.sleep(_EVERY)


def _exit(report: Answer, options: Options) -> Exit:
    """2 when something waits, lives otherwise, or the file says something else; 8 when something is not well."""
    if not report["source"]["valid"]:
        return Exit.INVALID
    if is_out_of_sync(report) or _has_changes(options):
        return Exit.CHANGES
    return Exit.UNHEALTHY if any(map(is_unhealthy, report["servers"])) else Exit.DONE


def _has_changes(options: Options) -> bool:
    sources = options.sources()
    ground: Any = look(options, sources) if sources and options.project is None else None
    return isinstance(ground, Ground) and bool(plan_on(ground, ground.desired, None).actions)
