"""`reconciler restart`: a new session for one server."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.one_server import show
from reconciler.faces.cli.reach import reach


@click.command("restart")
@click.argument("server", metavar="ID")
@shared("json", project=True)
def command(options: Options, server: str) -> int:
    """Replace one server's session, the new one first.

    The old session serves until the new one is proven. Exit code 1 when it cannot be opened.
    """
    return show(options, reach(options).restart(server))
