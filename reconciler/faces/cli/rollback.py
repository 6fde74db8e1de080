"""`reconciler rollback`: the file as it was, by a patch to its text, and then applied."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from reconciler.client import Answer, Client
from reconciler.faces.cli.consent import ask_for_yes
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import engine, who
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.listening import Listening, with_listening
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.progress import progress
from reconciler.faces.cli.result_text import show_result
from reconciler.faces.cli.status_text import span
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("rollback")
@click.argument("serial", type=click.IntRange(min=1), required=False)
@shared("json")
@click.option("--list", "listed", is_flag=True, help="Show what was applied, newest first.")
@click.option("--auto-approve", is_flag=True, help="A yes to the patch and what it causes.")
@with_listening
def command(options: Options, listening: Listening, serial: int | None, listed: bool, auto_approve: bool) -> int:
    """Bring the file back to what it was, and apply it.

    To SERIAL, or to what was applied before the last. The file is edited, so that it stays the truth: the patch is
    shown first. Exit code 4 when it cannot be edited so, with the patch in the message. With --read-only, here or of
    the engine that runs, the patch is printed and nothing is changed.
    """
    with engine(options, options.needed_sources(), listening) as client:
        if listed:
            return _list(client.history(), options)
        way_back = client.rollback_patch(serial)
        if listening.read_only or client.hello()["readOnly"]:
            data(json.dumps(way_back["patch"], indent=2))
            return Exit.DONE
        return _roll_back(client, way_back, options, auto_approve=auto_approve)


def _roll_back(client: Client, way_back: Answer, options: Options, *, auto_approve: bool) -> int:
    to = way_back["serial"]
    if not way_back["patch"]:
        tell(f"nothing to do: the file says what it said at serial {to}")
        if options.json:
            data_json({"serial": to, "patch": {}})
        return Exit.DONE
    tell(f"to serial {to}, the file is changed by this patch:")
    tell(json.dumps(way_back["patch"], indent=2))
    if not auto_approve:
        ask_for_yes("Change the file and apply it?", {"serial": to})
    with progress(options.paint_talk) as told:
        result = client.rollback(to, yes="all", who=who(), on_progress=told)
    return show_result(result, options)


def _list(history: Sequence[Answer], options: Options) -> int:
    if options.json:
        data_json({"history": history})
    elif history:
        head = ("SERIAL", "AGO", "BY", "RESULT", "CHANGES")
        data(options.paint.table(head, [_cells(row, options.paint) for row in history]))
    else:
        tell("nothing was applied yet")
    return Exit.DONE


def _cells(row: Mapping[str, Any], paint: Painter) -> list[tuple[str, str]]:
    changes = ", ".join(f"{count} {name}" for name, count in row["summary"].items() if name != "unchanged" and count)
    return [
        (str(row["serial"]), "heading"),
        (span(row["at"]), "muted"),
        (paint.safe(row["who"]), "plain"),
        (row["result"], "plain"),
        (changes, "plain"),
    ]
