"""`reconciler pause`: a server does not run for a while, whatever the file says."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.status_text import server_lines
from reconciler.faces.cli.talk import data, data_json
from reconciler.model.pause import lasting


@click.command("pause")
@click.argument("server", metavar="ID")
@click.option("--for", "length", metavar="DURATION", help="It ends by itself after so long: 30m, 8h.")
@shared("json", project=True)
def command(options: Options, server: str, length: str | None) -> int:
    """Keep one server from running, until `reconciler resume`.

    Its session is closed; calls in flight have ten seconds. The file stays as it is, changes of it are applied and do
    not start the server, and a restart of the engine ends no pause. A pause of before is replaced.
    """
    if length is not None:
        _check(length)
    row = reach(options).pause(server, lasting=length, who=who())
    if options.json:
        data_json(row)
    else:
        for line in server_lines(row, options.paint):
            data(line)
    return Exit.DONE


def _check(length: str) -> None:
    try:
        lasting(length)
    except ValueError as error:
        raise Stop(
            Exit.USAGE, "bad-duration", f'"{length}" {error}', "without --for it lasts until `reconciler resume`"
        ) from error
