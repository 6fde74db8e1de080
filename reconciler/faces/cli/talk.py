"""What goes where: data to standard output, everything said to people to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

import click


def data(text: str) -> None:
    """What the command was asked for, a line at least."""
    click.echo(text.removesuffix("\n"))


def data_json(value: Any) -> None:
    """The same as JSON, ASCII only: no text in it can play tricks on a terminal."""
    data(json.dumps(value, indent=2))


def tell(text: str) -> None:
    """Something for the person at the terminal."""
    click.echo(text, err=True)


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """A yes or a no, no when nothing is typed. Only where `is_interactive`."""
    return click.confirm(question, default=False, err=True)
