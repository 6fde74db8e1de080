"""`reconciler pause`: a server does not run for a while, whatever the file says."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.one_server import show
from reconciler.faces.cli.reach import reach
from reconciler.model.pause import lasting


@click.command("pause")
@click.argument("server", metavar="ID")
@click.option("--for", "length", metavar="DURATION", help="It ends by itself after so long: 30m, 8h.")
@shared("json", project=True)
def command(options: Options, server: str, length: str | None) -> int:
    """Keep one server from running for a while.

    Until `reconciler resume`. Its session is closed; calls in flight have ten seconds. The file stays as it is, changes
    of it are applied and do not start the server, and a restart of the engine ends no pause. A pause of before is
    replaced.
    """
    if length is not None:
        _check(length)
    return show(options, reach(options).pause(server, lasting=length, who=who()))


def _check(length: str) -> None:
    try:
        lasting(length)
    except ValueError as error:
        hint = "without --for it lasts until `reconciler resume`"
        raise Stop(Exit.USAGE, "bad-duration", f'"{length}" {error}', hint) from error
