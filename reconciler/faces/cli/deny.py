"""`reconciler deny`: a no to what waits."""

from __future__ import annotations

import click

from reconciler.faces.cli.approval_text import CALL
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import who
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("deny")
@click.argument("plan", metavar="PLAN_ID|CALL_ID")
@click.argument("servers", metavar="[SERVER]...", nargs=-1)
@shared("json", project=True)
@click.option("--always", is_flag=True, help="`deny --always SERVER TOOL`: a tool that this machine lets through asks.")
def command(options: Options, plan: str, servers: tuple[str, ...], always: bool) -> int:
    """Say no to what waits.

    What a plan would do is not asked again until the file says something else; what was applied stays. A call is not
    run, also when it was allowed and has not begun.
    """
    if always:
        return _ask_again(options, plan, servers)
    if plan.startswith(CALL):
        if servers:
            raise click.UsageError("a call is of one server: its id says it all")
        said = reach(options).answer_call(plan, allow=False, who=who())
        if options.json:
            data_json(said)
        else:
            data("denied")
        return Exit.DONE
    answer = reach(options).deny(plan, list(servers))
    if options.json:
        data_json(answer)
        return Exit.DONE
    for server in answer["denied"]:
        data(server)
    tell("not applied; the file still says it, so `reconciler plan` goes on showing it")
    return Exit.DONE


def _ask_again(options: Options, server: str, tools: tuple[str, ...]) -> int:
    if len(tools) != 1:
        raise click.UsageError("--always takes a server and a tool")
    [tool] = tools
    forgotten = reach(options).forget(server, tool, who())
    if options.json:
        data_json({"forgotten": forgotten})
    elif forgotten:
        data(f"{tool} of {server} asks again")
    else:
        tell("this machine does not let it through; `reconciler tools` shows which line of the file decides")
    return Exit.DONE
