"""One line typed at a terminal that does not show it, and nothing lost of it without a word."""

from __future__ import annotations

import os
import select
import sys
import termios

import click

from reconciler.faces.cli.exits import Exit, Stop

_LONGEST = 1023 if sys.platform == "darwin" else 4095
"""Bytes that a terminal takes as one line, without its end; it drops what comes after them."""
_PASTED = 0.1
"""Seconds within which further lines of what was pasted arrive."""
_ECHO = 3
"""Which of a terminal's attributes holds the flag."""


def type_in(question: str, otherwise: str = "--from-file") -> str:
    """What is typed, without its end of line. Raises click.Abort at an end of input, Stop for what does not fit.

    `otherwise` is the option that reads it from a file.
    The rest of what was pasted is thrown away: a shell would take it for commands.
    """
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = [*before]
    silent[_ECHO] = before[_ECHO] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
    try:
        click.echo(f"{question}: ", err=True, nl=False)
        line = os.read(terminal, _LONGEST + 1)
        pasted = bool(line) and bool(select.select([terminal], [], [], _PASTED)[0])
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        click.echo("", err=True)
    if not line:
        raise click.Abort
    if pasted or not line.endswith(b"\n") or len(line) > _LONGEST:
        message = "that was more than one line, or a longer one than a terminal takes"
        raise Stop(Exit.USAGE, "bad-value", message, f"`{otherwise} FILE` reads it from a file")
    return line.decode("utf-8", "surrogateescape").removesuffix("\n")
