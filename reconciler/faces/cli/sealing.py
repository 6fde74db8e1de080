"""What `export` and `import` share: the passphrase, which is typed or read from a file, and how a refusal ends them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from reconciler.client import ApiError
from reconciler.config.pack import NothingToPack
from reconciler.config.unpack import BadPayload, NoSuchServer
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.typing_in import type_in
from reconciler.store.export_file import ExportRefused, ExportTooLarge, WeakPassphrase, check_passphrase
from reconciler.store.portable import NotEnoughMemory

_OPTION = "--passphrase-file"
_LONGEST = 4096
"""Bytes of a passphrase."""
_WHY_NOT = (BadPayload, ExportRefused, ExportTooLarge, NoSuchServer, NotEnoughMemory, NothingToPack, WeakPassphrase)

EXITS: Mapping[str, Exit] = {
    "not-ours": Exit.USAGE,
    "newer-version": Exit.SYSTEM,
    "damaged": Exit.INVALID,
    "wrong-passphrase": Exit.WAITING,
    "altered": Exit.STALE,
    "bad-payload": Exit.INVALID,
    "memory": Exit.SYSTEM,
    "nothing-to-export": Exit.USAGE,
    "too-large": Exit.USAGE,
    "unknown-server": Exit.USAGE,
    "weak-passphrase": Exit.USAGE,
}
"""The five refusals of a file each have an exit code of their own."""


def with_passphrase_file(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option, as the argument `passphrase_file`."""
    path = click.Path(path_type=Path)
    return click.option(_OPTION, type=path, metavar="FILE", help="Read the passphrase from there.")(function)


def typed_twice(file: Path | None) -> str:
    """A new passphrase. Raises Stop where the second is not the first, and where nobody can type."""
    passphrase = typed(file, "Passphrase (it is not shown)")
    with refusals():
        check_passphrase(passphrase)
    if file is None and type_in("The same again", _OPTION) != passphrase:
        raise Stop(Exit.USAGE, "not-the-same", "the two passphrases differ", "nothing was written: begin again")
    return passphrase


def typed(file: Path | None, question: str = "Passphrase") -> str:
    """The passphrase of `file`, without its line's end, else what somebody types. Raises Stop, OSError."""
    if file is not None:
        return _read(file)
    if not sys.stdin.isatty():
        message = "a passphrase is typed at a terminal, and this is none"
        raise Stop(Exit.USAGE, "no-passphrase", message, f"`{_OPTION} FILE` reads it from a file")
    return _text(type_in(question, _OPTION).encode("utf-8", "surrogateescape"))


def _read(file: Path) -> str:
    with file.open("rb") as source:
        return _text(source.read(_LONGEST + 2).removesuffix(b"\n").removesuffix(b"\r"))


def _text(data: bytes) -> str:
    if len(data) > _LONGEST:
        raise Stop(Exit.USAGE, "bad-value", f"a passphrase has at most {_LONGEST} bytes", "choose a shorter one")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Stop(Exit.USAGE, "bad-value", "the passphrase is not text in UTF-8", "choose another one") from None


@contextmanager
def refusals() -> Iterator[None]:
    """Why a file is not opened or not written, the same with an engine and without: raises Stop."""
    try:
        yield
    except _WHY_NOT as error:
        raise Stop(EXITS[error.code], error.code, str(error), error.hint, _problems(error)) from None
    except ApiError as error:
        if error.code not in EXITS:
            raise
        more = {name: member for name, member in error.body.items() if name not in ("error", "hint")}
        raise Stop(EXITS[error.code], error.code, str(error), error.body.get("hint"), more) from None


def _problems(error: Exception) -> dict[str, Any]:
    problems = [problem.to_json() for problem in getattr(error, "problems", ())]
    return {"problems": problems} if problems else {}
