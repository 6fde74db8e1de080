"""`reconciler tools`: what can be called, and who is asked before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("tools")
@click.argument("server", metavar="[ID]", required=False)
@shared("json", project=True)
def command(options: Options, server: str | None) -> int:
    """List the tools, and who is asked before they run.

    Of one server or of all, with what the server itself says that a tool does, the line of the file that decides who
    is asked, and how the tool stands to the lock.
    """
    answer = reach(options).tools(server)
    if options.json:
        data_json(answer)
    elif answer["tools"]:
        head = ("SERVER", "TOOL", "SAYS IT", "ASKS", "DECIDED BY", "LOCK", "DESCRIPTION")
        data(options.paint.table(head, [_cells(tool, options.paint) for tool in answer["tools"]]))
    else:
        tell("no tools: `reconciler status` shows which servers are live")
    return Exit.DONE


def _cells(tool: Mapping[str, Any], paint: Painter) -> list[tuple[str, str]]:
    description = next(iter((tool["description"] or "").strip().splitlines()), "")
    return [
        (paint.safe(tool["server"]), "muted"),
        (paint.safe(tool["name"]), "heading"),
        (tool.get("hint") or "", "muted"),
        ("asks" if tool["asks"] else "free", "warning" if tool["asks"] else "good"),
        (paint.safe(tool["by"]), "muted"),
        _pin(tool),
        (paint.safe(description), "plain"),
    ]


def _pin(tool: Mapping[str, Any]) -> tuple[str, str]:
    state = tool.get("pin") or "unpinned"
    if tool.get("withheld"):
        return f"{state}, withheld", "bad"
    return state, {"accepted": "good", "unpinned": "muted"}.get(state, "warning")
