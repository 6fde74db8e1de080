"""`reconciler logs`: what a server printed on standard error, and how its sessions ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.status_text import span
from reconciler.faces.cli.talk import data, data_json


@click.command("logs")
@click.argument("server", metavar="ID")
@shared("json", project=True)
@click.option("--previous", is_flag=True, help="How the last five sessions ended, with what they printed last.")
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, help="How many lines at most (50).")
def command(options: Options, server: str, previous: bool, lines: int) -> int:
    """Show what a server printed, and how it ended.

    That is what it writes to standard error; values that were handed to it are hidden.
    """
    answer = reach(options).logs(server, lines=lines)
    if options.json:
        data_json(answer)
        return Exit.DONE
    shown = _endings(answer["exits"], lines, options.paint) if previous else map(options.paint.safe, answer["lines"])
    for line in shown:
        data(line)
    return Exit.DONE


def _endings(exits: Sequence[Mapping[str, Any]], lines: int, paint: Painter) -> Iterator[str]:
    if not exits:
        yield "no session of it has ended yet"
    for ending in exits:
        code = "" if ending["code"] is None else f" (code {ending['code']})"
        head = f"{ending['instance']}  ended {span(ending['at'])} ago{code}: {paint.safe(ending['reason'])}"
        yield paint.role(head, "heading")
        yield from (f"  {paint.safe(line)}" for line in ending["stderr"][-lines:])
