"""One server as it is after a command, for people or as JSON."""

from __future__ import annotations

from reconciler.client.answers import Server
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.status_text import server_lines
from reconciler.faces.cli.talk import data, data_json


def show(options: Options, row: Server) -> Exit:
    """Print it whole; the command is done."""
    if options.json:
        data_json(row)
    else:
        for line in server_lines(row, options.paint):
            data(line)
    return Exit.DONE
