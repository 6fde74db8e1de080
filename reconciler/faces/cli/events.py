"""`reconciler events`: what happened, and what happens."""

from __future__ import annotations

import json

import click

from reconciler.client import Answer, Client
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.event_text import event_line
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json


@click.command("events")
@shared("json", project=True)
@click.option("--follow", is_flag=True, help="Go on with what happens, until Ctrl-C; with -o json a line each.")
@click.option("--server", metavar="ID", help="Only of this server.")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=100, help="How many at most (100).")
def command(options: Options, follow: bool, server: str | None, limit: int) -> int:
    """Show what happened.

    Oldest first. With --follow, also what happens from now on.
    """
    client = reach(options)
    past = client.events(limit=limit, server=server) if limit else []
    if options.json and not follow:
        data_json({"events": past})
        return Exit.DONE
    for event in past:
        _show(event, options)
    if follow:
        _follow(client, server, past[-1]["id"] if past else (0 if limit else None), options)
    return Exit.DONE


def _follow(client: Client, server: str | None, after: int | None, options: Options) -> None:
    """From the last event that was shown: what happened since is not lost."""
    for event in client.listen(after=after):
        if server in (None, event["server"]):
            _show(event, options)


def _show(event: Answer, options: Options) -> None:
    data(json.dumps(event) if options.json else event_line(event, options.paint))
