"""`reconciler resume`: a paused server runs again."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.status_text import server_lines
from reconciler.faces.cli.talk import data, data_json


@click.command("resume")
@click.argument("server", metavar="ID")
@shared("json", project=True)
def command(options: Options, server: str) -> int:
    """End the pause of one server, and wait until it is connected.

    One that is not paused is left as it is. Exit code 1 when it does not connect; it is paused no more then either.
    """
    row = reach(options).resume(server, who=who())
    if options.json:
        data_json(row)
    else:
        for line in server_lines(row, options.paint):
            data(line)
    return Exit.DONE
