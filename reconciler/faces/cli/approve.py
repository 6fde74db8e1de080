"""`reconciler approve`: a yes to what waits."""

from __future__ import annotations

from typing import Any

import click

from reconciler.client import Answer, Client
from reconciler.faces.cli.approval_text import CALL, answer_lines, call_lines
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.progress import progress
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.result_text import show_result
from reconciler.faces.cli.status_text import pending_lines
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("approve")
@click.argument("plan", metavar="[PLAN_ID|CALL_ID]", required=False)
@click.argument("servers", metavar="[SERVER]...", nargs=-1)
@shared("json", project=True)
@click.option("--session", "reach_of_yes", flag_value="session", help="To this caller's tool until the engine stops.")
@click.option("--always", "reach_of_yes", flag_value="always", help="To the tool from now on, written in the file.")
def command(options: Options, plan: str | None, servers: tuple[str, ...], reach_of_yes: str | None) -> int:
    """Say yes to what waits; list it.

    Without an id: what waits, with the command for each. With a PLAN_ID: a yes to all its waiting servers, or to those
    named; a yes to a command is remembered. With a CALL_ID: that call runs, once.
    """
    if reach_of_yes is not None and (plan is None or not plan.startswith(CALL)):
        raise click.UsageError("--session and --always go with the id of a call")
    if plan is not None and plan.startswith(CALL) and servers:
        raise click.UsageError("a call is of one server: its id says it all")
    client = reach(options)
    if plan is None:
        return _list(client, options)
    if plan.startswith(CALL):
        return _allow(client, options, plan, reach_of_yes or "once")
    with progress(options.paint_talk) as told:
        result = client.approve(plan, list(servers), who(), told)
    return show_result(result, options)


def _list(client: Client, options: Options) -> int:
    report, calls = client.status(), client.approvals()
    if options.json:
        data_json({"pending": report["pending"], "approvals": calls})
        return Exit.DONE
    for line in list(pending_lines(report, options.paint))[1:]:
        data(line)
    if report["pending"]:
        tell("`reconciler plan` shows what each of them would do")
    if calls:
        data("\n\n".join("\n".join(call_lines(call, options.paint)) for call in calls))
    if not report["pending"] and not calls:
        tell("nothing waits")
    return Exit.DONE


def _allow(client: Client, options: Options, call: str, reach_of_yes: Any) -> int:
    answer = client.answer_call(call, allow=True, reach=reach_of_yes, who=who())
    if options.json:
        data_json(answer)
    else:
        for line in answer_lines(answer):
            data(line)
        _tell_refused(answer, options)
    return Exit.PARTIAL if answer["refused"] else Exit.DONE


def _tell_refused(answer: Answer, options: Options) -> None:
    if answer["refused"]:
        why = options.paint_talk.safe(answer["refused"]["message"])
        tell(f"not for always: {why}; the next call asks again")
