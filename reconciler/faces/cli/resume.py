"""`reconciler resume`: a paused server runs again."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.one_server import show
from reconciler.faces.cli.reach import reach


@click.command("resume")
@click.argument("server", metavar="ID")
@shared("json", project=True)
def command(options: Options, server: str) -> int:
    """Let a paused server run again.

    Waits until it is connected. One that is not paused is left as it is. Exit code 1 when it does not connect; it is
    paused no more then either.
    """
    return show(options, reach(options).resume(server, who=who()))
