"""What is wrong with the files, as every command shows it: excerpts for people, one list for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.config.excerpt import render_problem
from reconciler.config.read import Reading
from reconciler.config.visible import visible
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.talk import data_json, tell
from reconciler.problems import Problem, errors


def problem_lines(problems: Iterable[Problem], reading: Reading, paint: Painter) -> Iterator[str]:
    """Each problem with its line of the file and a caret."""
    for problem in problems:
        text = reading.shown(problem.place.file) if problem.place else None
        head, *rest = render_problem(problem, text)
        yield paint.role(head, "bad" if problem.severity == "error" else "warning")
        yield from rest


def problems_json(problems: Sequence[Problem]) -> dict[str, object]:
    """The one shape: `{"problems": [...]}`."""
    return {"problems": [problem.to_json() for problem in problems]}


def count_text(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`."""
    wrong = len(errors(problems))
    counts = ((wrong, "error"), (len(problems) - wrong, "warning"))
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)


def refuse(reading: Reading, options: Options) -> Exit:
    """Say that a file with errors cannot be used, and why."""
    problems = reading.problems
    if options.json:
        data_json(problems_json(problems))
    else:
        for line in problem_lines(problems, reading, options.paint_talk):
            tell(line)
        tell(f"{count_text(problems)}; nothing was done")
    return Exit.INVALID


def github_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Workflow commands that GitHub shows as annotations beside the lines."""
    for problem in problems:
        place = problem.place
        where = f"file={_property(place.file)},line={place.line},col={place.column}," if place else ""
        hint = f" ({problem.hint})" if problem.hint else ""
        title = _property(f"{problem.summary} [{problem.code}]")
        yield f"::{problem.severity} {where}title={title}::{_message(problem.detail + hint)}"


def _message(text: str) -> str:
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
