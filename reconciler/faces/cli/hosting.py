"""Running an engine: in this process, or in one of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconciler.client import Answer, ApiError, Client, NoEngine
from reconciler.faces.cli.listening import Listening
from reconciler.faces.cli.reach import connect
from reconciler.sessions.descriptors import raise_limit
from reconciler.sessions.orphans import leaving_nobody
from reconciler.store.places import Sources
from reconciler.store.refused import try_room, why_not_written
from reconciler.store.state_dir import state_dir_of

START_SECONDS = 30.0
_WORDS = 4096
COMING_SECONDS = 5.0
"""How long the servers of an engine that was just started may take before a client is served without them."""


class StartFailed(Exception):
    """No engine came up; the message says why, with the end of its log. `exit_code` is its own, None while it runs."""

    def __init__(self, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def start_in_background(
    sources: Sources,
    base: Path,
    *,
    follow: bool,
    auto_approve: str = "no",
    poll: bool = False,
    listening: Sequence[str] = (),
    directory: Path | None = None,
) -> Client:
    """Start an engine that outlives this command, and wait until it answers. Raises StartFailed.

    `listening` are further arguments, of faces.cli.listening. With `directory` it hosts all that is and comes there.
    """
    state = state_dir_of(sources.main, sources.project, base)
    state.ensure()
    with os.fdopen(os.open(state.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            [
                *_command(_files(sources, directory), base, follow=follow, auto_approve=auto_approve, poll=poll),
                *listening,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        client = connect(state)
        if client is not None:
            return client
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise StartFailed(f"the engine did not come up: {_last_words(state.log, begin)} (log: {state.log})", process.poll())


def let_servers_come(client: Client) -> None:
    """Wait until no server is coming up, at most COMING_SECONDS: most clients list once, when they start."""
    patience = time.monotonic() + COMING_SECONDS
    with suppress(NoEngine, ApiError):
        while time.monotonic() < patience and _is_coming(client.status()):
            time.sleep(0.02)


def _is_coming(report: Answer) -> bool:
    return any(row["status"] == "connecting" for row in report["servers"])


def _files(sources: Sources, directory: Path | None) -> list[str]:
    if directory is not None:
        return [str(directory.absolute())]
    return [argument for path in (sources.main, *sources.overlays) for argument in ("-f", str(path.absolute()))]


def _command(files: Sequence[str], base: Path, *, follow: bool, auto_approve: str, poll: bool) -> list[str]:
    command = [sys.executable, "-m", "reconciler", "watch", *files, "--state-dir", str(base.absolute()), "--background"]
    if not follow:
        command.append("--no-follow")
    if auto_approve != "no":
        command.append("--auto-approve=start" if auto_approve == "start" else "--auto-approve")
    return [*command, "--poll"] if poll else command


def _last_words(log: Path, begin: int) -> str:
    """What an engine wrote from `begin` on. One that said nothing may have had no room for it."""
    try:
        lines = log.read_bytes()[begin:].decode("utf-8", "replace").splitlines()
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines
        if not said:
            try_room(log.parent, _WORDS)
        return said[-1] if said else "it said nothing"
    except OSError as error:
        return why_not_written(error)


def run_engine(
    projects: Sequence[Sources],
    base: Path,
    listening: Listening,
    *,
    follow: bool,
    auto_approve: str = "no",
    poll: bool = False,
    on_ready: Callable[..., Awaitable[None]] | None = None,
    directory: Path | None = None,
) -> int:
    """Host `projects` in this process until it is told to stop. Answers the exit code: 0, or 130 after SIGINT.

    Raises StateBusy when another engine holds one of them. `on_ready(host)` runs beside the engine. `directory` is
    where they stand, if whatever comes into it is to be hosted too.
    """
    from reconciler.faces.cli.engine import new_loop, serve  # a door: the engine and its server take 0.3 s to load

    how: Any = {"follow": follow, "auto_approve": auto_approve, "poll": poll, "directory": directory}
    raise_limit()
    running = serve(projects, base, listening, on_ready=on_ready, **how)
    with leaving_nobody(), asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(running)
