"""`reconciler fmt`: the normal form of a file; nothing that it says changes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.config.edit import EditRefused
from reconciler.config.excerpt import render_problem
from reconciler.config.format import format_text
from reconciler.config.read import Source, read
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.talk import data, tell
from reconciler.store.files import write_whole
from reconciler.store.sources import Sources

_STANDARD_INPUT = "-"


@click.command("fmt")
@click.argument("names", metavar="[FILE|-]...", nargs=-1)
@shared()
@click.option("--check", is_flag=True, help="Change nothing; exit with 2 when a file is not in its normal form.")
@click.option("--diff", is_flag=True, help="Change nothing; print the difference.")
def command(options: Options, names: tuple[str, ...], check: bool, diff: bool) -> int:
    """Bring the file into its normal form.

    Two blanks of indentation, fields in the order of the schema, quotes where they are needed; comments stay. `-`
    reads standard input and writes standard output. A file with errors stays as it is, exit code 3.
    """
    if names == (_STANDARD_INPUT,):
        return _format_input(check)
    sources = Sources(Path(), root=Path.cwd())
    worst = Exit.DONE
    for path in [Path(name).absolute() for name in names] or _in_reach(options):
        worst = max(worst, _format_file(path, sources.shown(path), check=check, diff=diff))
    return worst


def _in_reach(options: Options) -> list[Path]:
    return [path for path in options.needed_sources().paths if path.exists() or path in options.files]


def _format_input(check: bool) -> Exit:
    text = sys.stdin.read()
    formatted = _formatted(text, "standard input")
    if formatted is None:
        return Exit.INVALID
    if not check:
        sys.stdout.write(formatted)
    return Exit.CHANGES if check and formatted != text else Exit.DONE


def _format_file(path: Path, shown: str, *, check: bool, diff: bool) -> Exit:
    text = path.read_bytes().decode("utf-8")
    formatted = _formatted(text, shown)
    if formatted is None:
        return Exit.INVALID
    if formatted == text:
        return Exit.DONE
    if diff:
        data("".join(_difference(text, formatted, shown)))
    if check or diff:
        tell(f"{shown} is not in its normal form")
        return Exit.CHANGES if check else Exit.DONE
    write_whole(path, formatted)
    tell(f"formatted {shown}")
    return Exit.DONE


def _formatted(text: str, file: str) -> str | None:
    """None when there is no normal form; then it was said why."""
    try:
        return format_text(text, file=file)
    except EditRefused as refused:
        hidden = _without_secrets(text, file)
        for problem in refused.problems:
            for line in render_problem(problem, hidden):
                tell(line)
        tell(f"error: {refused}")
        return None


def _difference(before: str, after: str, file: str) -> Iterator[str]:
    old, new = (_without_secrets(text, file).splitlines(keepends=True) for text in (before, after))
    return difflib.unified_diff(old, new, file, f"{file} in its normal form")


def _without_secrets(text: str, file: str) -> str:
    return read([Source(file, text)], default_project="default").shown(file) or ""
