"""`reconciler approve`: a yes to what waits."""

from __future__ import annotations

import click

from reconciler.client import Answer
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.progress import progress
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.result_text import show_result
from reconciler.faces.cli.status_text import pending_lines
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("approve")
@click.argument("plan", metavar="[PLAN_ID]", required=False)
@click.argument("servers", metavar="[SERVER]...", nargs=-1)
@shared("json", project=True)
def command(options: Options, plan: str | None, servers: tuple[str, ...]) -> int:
    """Say yes to what waits; list it.

    Without a PLAN_ID: what waits, with the command for each. With one: a yes to all its waiting servers, or to those
    named. A yes to a command is remembered.
    """
    client = reach(options)
    if plan is None:
        return _list(client.status(), options)
    with progress(options.paint_talk) as told:
        result = client.approve(plan, list(servers), who(), told)
    return show_result(result, options)


def _list(report: Answer, options: Options) -> int:
    if options.json:
        data_json({"pending": report["pending"]})
    elif not report["pending"]:
        tell("nothing waits")
    else:
        for line in list(pending_lines(report, options.paint))[1:]:
            data(line)
        tell("`reconciler plan` shows what each of them would do")
    return Exit.DONE
