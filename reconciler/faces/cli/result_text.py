"""What became of a plan, as the engine answers it: a line of counts, and a line for whatever is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.client import Answer
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.progress import outcome_line
from reconciler.faces.cli.talk import data, data_json
from reconciler.plan.actions import Plan
from reconciler.plan.document import plan_id


def show_result(result: Answer, options: Options) -> int:
    """Print the answer to an apply; answers its exit code."""
    if options.json:
        data_json(result)
    else:
        for line in result_lines(result, options.paint):
            data(line)
    return int(result["exit"])


def result_lines(result: Answer, paint: Painter) -> Iterator[str]:
    """For people: what went wrong or waits, then the counts."""
    for row in result["results"]:
        if row["status"] == "waiting":
            text = f"{paint.safe(row['server'])}  {row['action']}  waits for a yes ({', '.join(row['marks'])})"
            yield f"{paint.role('!', 'warning')} {text}"
        elif row["status"] != "applied" or row.get("paused"):
            yield outcome_line(row, paint)
    if any(row["status"] == "waiting" for row in result["results"]):
        yield "  `reconciler approve` lists what waits, with the command for each"
    summary = result["summary"]
    counts = ", ".join(f"{count} {name}" for name, count in summary.items() if name != "unchanged" and count)
    parts = [counts or "nothing to do", f"{summary['unchanged']} unchanged", f"serial {result['serial']}"]
    yield f"{result['id']}: {paint.either(' · ', ' - ').join(parts)}"


def nothing_done(plan: Plan) -> Answer:
    """The answer to applying an empty plan, which no engine has to be asked for."""
    return {
        "format": "reconciler.apply",
        "formatVersion": "1.0",
        "id": plan_id(plan),
        "project": plan.project,
        "serial": plan.serial,
        "results": [],
        "summary": {"unchanged": plan.unchanged},
        "exit": int(Exit.DONE),
    }
