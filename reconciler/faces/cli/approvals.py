"""`reconciler approvals`: the calls that wait for a yes."""

from __future__ import annotations

import click

from reconciler.faces.cli.approval_text import call_lines, fate_lines
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("approvals")
@click.argument("call", metavar="[CALL_ID]", required=False)
@shared("json", project=True)
@click.option("--all", "everything", is_flag=True, help="Also those of the last 24 hours that were answered.")
def command(options: Options, call: str | None, everything: bool) -> int:
    """Show the calls that wait for a yes.

    With a CALL_ID that one, whole. `reconciler approve` and `reconciler deny` answer them.
    """
    client = reach(options)
    if call is not None:
        one = client.approval(call)
        if options.json:
            data_json(one)
        else:
            data("\n".join(fate_lines(one, options.paint)))
        return Exit.DONE
    calls = client.approvals(everything=everything)
    if options.json:
        data_json({"approvals": calls})
    elif not calls:
        tell("no call waits")
    else:
        lines = fate_lines if everything else call_lines
        data("\n\n".join("\n".join(lines(each, options.paint)) for each in calls))
    return Exit.DONE
