"""`reconciler restart`: a new session for one server."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.status_text import server_lines
from reconciler.faces.cli.talk import data, data_json


@click.command("restart")
@click.argument("server", metavar="ID")
@shared("json", project=True)
def command(options: Options, server: str) -> int:
    """Replace one server's session, the new one first.

    The old session serves until the new one is proven. Exit code 1 when it cannot be opened.
    """
    row = reach(options).restart(server)
    if options.json:
        data_json(row)
    else:
        for line in server_lines(row, options.paint):
            data(line)
    return Exit.DONE
