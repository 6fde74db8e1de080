"""`reconciler validate`: everything that is wrong with the file, at once."""

from __future__ import annotations

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.problem_text import count_text, github_lines, problem_lines, problems_json
from reconciler.faces.cli.talk import data, data_json, tell
from reconciler.problems import Problem, errors
from reconciler.store.sources import Snapshot, Sources, read_sources


@click.command("validate")
@shared("json")
@click.option("--format", "style", type=click.Choice(["github"]), help="github: annotations of a workflow run.")
@click.option("--strict", is_flag=True, help="A secret that is written out is an error.")
def command(options: Options, style: str | None, strict: bool) -> int:
    """Check the file; all mistakes at once.

    Reads the file and its overlays, nothing else: no reference is resolved, nothing is run or contacted.
    Exit code 3 when there is an error.
    """
    try:
        sources = options.needed_sources()
    except Stop as stop:
        if not options.json:
            raise
        data_json(
            problems_json([Problem("error", stop.code, "No configuration was found", stop.message, None, stop.hint)])
        )
        return Exit.INVALID
    snapshot = read_sources(sources, strict=strict)
    problems = snapshot.reading.problems
    if options.json:
        data_json(problems_json(problems))
    else:
        lines = github_lines(problems) if style else problem_lines(problems, snapshot.reading, options.paint)
        for line in lines:
            data(line)
        tell(_conclusion(sources, snapshot))
    return Exit.INVALID if errors(problems) else Exit.DONE


def _conclusion(sources: Sources, snapshot: Snapshot) -> str:
    problems = snapshot.reading.problems
    if errors(problems) or snapshot.reading.written is None:
        return count_text(problems)
    servers = len(snapshot.reading.document().servers)
    warnings = f", {count_text(problems)}" if problems else ""
    return f"{sources.shown(sources.main)} is valid: {servers} server{'' if servers == 1 else 's'}{warnings}"
