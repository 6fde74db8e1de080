"""`reconciler stop`: the end of the engine and of every server it runs."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.reach import find
from reconciler.faces.cli.settle import STOP_SECONDS, end_engine
from reconciler.faces.cli.talk import data_json, tell


@click.command("stop")
@shared("json", project=True)
def command(options: Options) -> int:
    """End the engine and every server it runs.

    Returns when no process of them is left. What was applied stays: the next engine brings it up again.
    """
    state, client = find(options)
    if client is not None and not end_engine(client, state):
        message = f"the engine was told to stop, but is not gone after {STOP_SECONDS:.0f} s"
        raise Stop(Exit.SYSTEM, "still-running", message, f"its log is {state.log}")
    if options.json:
        data_json({"stopped": client is not None})
    tell("the engine is stopped, with every server it ran" if client else "no engine runs")
    return Exit.DONE
