"""What went wrong, in words and as an exit code. Loaded only when something did."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler import __version__
from reconciler.client import ApiError, NoEngine
from reconciler.config.visible import visible
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.hosting import StartFailed
from reconciler.faces.cli.talk import data_json, tell
from reconciler.model.document import hidden
from reconciler.model.secret import masked
from reconciler.store.accepted import StateDamaged
from reconciler.store.home import NoHome, user_state
from reconciler.store.refused import way_out
from reconciler.store.state_dir import StateBusy
from reconciler.store.vault_file import VaultError

_OF_STATUS = {404: Exit.SYSTEM, 409: Exit.STALE, 422: Exit.INVALID, 423: Exit.BUSY}


def explain(error: BaseException, arguments: Sequence[str]) -> int:
    """Say what went wrong, as JSON where JSON was asked for, and answer the exit code."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        tell("")
        return Exit.INTERRUPTED
    if isinstance(error, GeneratorExit | SystemExit):
        raise error
    stop = _as_stop(error)
    if wants_json(arguments):
        data_json(stop.to_json())
    else:
        tell(f"error: {visible(stop.message)}")
        for line in (*_places(stop), *([stop.hint] if stop.hint else [])):
            tell(f"       {visible(line)}")
    if os.environ.get("RECONCILER_DEBUG") == "1" and not isinstance(error, Stop):
        tell("".join(traceback.format_exception(error)))
    return stop.exit_code


def _places(stop: Stop) -> list[str]:
    """The problems that an engine found, a line each."""
    return [
        f"{problem['file']}:{problem['line']}:{problem['column']}: {problem['detail']}"
        if problem["file"]
        else str(problem["detail"])
        for problem in stop.more.get("problems", ())
        if problem["severity"] == "error"
    ]


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `-o json` stands among the arguments, also where they could not be understood."""
    given = [argument.removeprefix("--output=") for argument in arguments]
    pairs = zip(given, [*given[1:], ""], strict=True)
    return any(
        one == "-ojson"
        or (one == "json" and original.startswith("--output="))
        or (one in ("-o", "--output") and after == "json")
        for (one, after), original in zip(pairs, arguments, strict=True)
    )


def _as_stop(error: BaseException) -> Stop:
    match error:
        case Stop():
            return error
        case click.UsageError():
            return _usage(error)
        case click.ClickException():
            return Stop(Exit.SYSTEM, "system", error.format_message())
        case ApiError():
            exit_code = _OF_STATUS.get(error.status, Exit.SYSTEM)
            more = {name: member for name, member in error.body.items() if name not in ("error", "hint", "status")}
            return Stop(exit_code, error.code, str(error), error.body.get("hint"), more)
        case NoEngine():
            hint = "`reconciler status` shows what is known; `reconciler watch` starts an engine"
            return Stop(Exit.SYSTEM, "engine-gone", f"the engine does not answer: {error}", hint)
        case StateBusy():
            hint = "`reconciler stop` ends it, or wait until it is done"
            return Stop(Exit.BUSY, "state-busy", str(error), hint)
        case StateDamaged():
            hint = "start an engine (`reconciler watch`): it keeps the damaged file aside and begins anew"
            return Stop(Exit.SYSTEM, "state-damaged", str(error), hint)
        case VaultError():
            exit_code = Exit.SYSTEM if error.code.startswith("vault") else Exit.USAGE
            return Stop(exit_code, error.code, str(error), error.hint)
        case NoHome():
            hint = "set HOME, or name a place for the state with --state-dir (or RECONCILER_STATE_DIR)"
            return Stop(Exit.SYSTEM, "no-home", str(error), hint)
        case StartFailed():
            exit_code = Exit.BUSY if error.exit_code == Exit.BUSY else Exit.SYSTEM
            return Stop(exit_code, "engine-not-started", str(error), "`reconciler doctor` looks for the cause")
        case OSError():
            name = f"{error.filename}: " if error.filename else ""
            return Stop(Exit.SYSTEM, "system", f"{name}{error.strerror or error}", way_out(error))
        case _:
            return _bug(error)


def _usage(error: click.UsageError) -> Stop:
    command = error.ctx.command_path if error.ctx else "reconciler"
    return Stop(Exit.USAGE, "usage", error.format_message(), f"`{command} --help` says what there is")


def _bug(error: BaseException) -> Stop:
    where = _write_down(error)
    message = f"{type(error).__name__}: this is a bug in the reconciler, not in your file"
    return Stop(Exit.SYSTEM, "bug", message, f"what happened is written in {where}; please report it")


def _write_down(error: BaseException) -> str:
    """Keep the traceback, without what looks like a secret, in the state directory or else among temporary files."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    text = "\n".join(masked(line, hidden, secret_field=False) for line in lines)
    chosen = os.environ.get("RECONCILER_STATE_DIR")
    base = Path(chosen) if chosen else user_state()
    folder = base if base is not None and os.access(base, os.W_OK) else Path(tempfile.gettempdir())
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"reconciler-bug-{moment}-", suffix=".txt", dir=folder, delete=False, encoding="utf-8"
    ) as file:
        file.write(f"reconciler {__version__}\n{text}\n")
    return file.name
