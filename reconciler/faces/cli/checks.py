"""The checks of `doctor`, in order: the machine, the file, the state, the engine, what the servers need."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import watchfiles

from reconciler import __version__
from reconciler.client import Client
from reconciler.config.references import names_mentioned, secrets_mentioned
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.reach import connect
from reconciler.model.document import Document, strings_in
from reconciler.model.secret import parse_template
from reconciler.model.server import Stdio
from reconciler.problems import errors
from reconciler.store.env_file import read_env_file
from reconciler.store.sources import Sources, read_sources
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault, VaultError

Level = Literal["ok", "warn", "fail"]
_RUNNERS = {"uvx": "install uv", "uv": "install uv", "npx": "install Node.js", "bunx": "install Bun"}
_KEPT = {"keyring": "in the system's keyring", "file": "in a file beside them", "environment": "in a variable"}
_EVENT_MS = 2000
_SAVE_AFTER = 0.1  # seconds: watching begins with the question, so the save comes a moment later


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `hint` is the way out where there is something to do."""

    level: Level
    subject: str
    message: str
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """`{"level", "subject", "message", "hint"}`."""
        return {"level": self.level, "subject": self.subject, "message": self.message, "hint": self.hint}


def examine(options: Options) -> Iterator[Finding]:
    """Every finding, in the order in which one would look."""
    yield _system()
    sources = options.sources()
    state = options.state(sources) if sources is not None else None
    client = connect(state) if state is not None else None
    yield _events(client)
    if sources is None or state is None:
        yield Finding("warn", "file", "no reconciler.yaml here or above", "`reconciler init` writes one")
        return
    yield from (_state(state), _engine(client))
    reading = read_sources(sources).reading
    wrong = errors(reading.problems)
    if wrong:
        place = f"{wrong[0].place}: " if wrong[0].place else ""
        count = "1 error" if len(wrong) == 1 else f"{len(wrong)} errors; the first"
        yield Finding("fail", "file", f"{count}: {place}{wrong[0].detail}", "reconciler validate")
        return
    yield from _held(client)
    document = reading.document()
    yield Finding("ok", "file", f"{sources.shown(sources.main)} is valid, {len(document.servers)} servers")
    yield from _commands(document, sources)
    yield from _variables(document, sources)
    yield from _secrets(document, state)


def _system() -> Finding:
    words = f"reconciler {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    if sys.platform == "darwin":
        return Finding(
            "warn", "system", words, "server processes outlive a `kill -9` of the engine until its next start"
        )
    return Finding("ok", "system", words)


def _events(client: Client | None) -> Finding:
    """Whether the system tells about a saved file: as a running engine found, else in the directory for temporary
    files."""
    remark = client.status()["source"].get("remark") if client is not None else None
    if remark is not None:
        return Finding("warn", "events", remark)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save = threading.Timer(_SAVE_AFTER, (folder / "saved").touch)
        save.start()
        watching = watchfiles.watch(folder, rust_timeout=_EVENT_MS, yield_on_timeout=True, recursive=False, step=10)
        first = next(watching)
        watching.close()
        save.join()
    if first:
        return Finding("ok", "events", "saved files are noticed at once")
    hint = "changes are found within a second all the same; `watch --poll` looks twice a second"
    return Finding("warn", "events", "the system does not tell about saved files", hint)


def _state(state: StateDir) -> Finding:
    path = state.path
    if not path.exists():
        above = next(parent for parent in path.parents if parent.exists())
        if os.access(above, os.W_OK):
            return Finding("ok", "state", f"{path} will be made at the first apply")
        return Finding("fail", "state", f"{above} cannot be written", "choose another place with --state-dir")
    if not os.access(path, os.W_OK):
        return Finding("fail", "state", f"{path} cannot be written", f"chown or remove {path}")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("fail", "state", f"{path} is open to others (mode {mode:o})", f"chmod 700 {path}")
    return Finding("ok", "state", str(path))


def _engine(client: Client | None) -> Finding:
    if client is None:
        return Finding("ok", "engine", "none runs")
    hello = client.hello()
    if hello["version"] != __version__:
        message = f"version {hello['version']} runs (process {hello['pid']}), this command is {__version__}"
        return Finding("warn", "engine", message, "`reconciler stop`, then start it anew")
    return Finding("ok", "engine", f"runs as process {hello['pid']}")


def _held(client: Client | None) -> Iterator[Finding]:
    """Why the engine does not take up what was saved, although it has no errors."""
    held = client.status()["source"]["held"] if client is not None else None
    if held is not None:
        hint = "save it whole, and mend what is named; `reconciler apply` takes it up as it is"
        yield Finding("fail", "saved file", held, hint)


def _commands(document: Document, sources: Sources) -> Iterator[Finding]:
    """Whether the command of each enabled stdio server is there. Nothing is run."""
    folder = sources.folder
    for server_id in document.servers:
        server = document.server(server_id)
        if not isinstance(server.transport, Stdio) or not server.enabled or server.transport.command.references:
            continue
        command = "".join(map(str, server.transport.command.parts))
        found = shutil.which(command) or shutil.which(str(folder / command))
        if found is None:
            hint = _RUNNERS.get(command, "install it, or write its path")
            yield Finding("fail", f"server {server_id}", f'the command "{command}" is not on PATH', hint)
        else:
            yield Finding("ok", f"server {server_id}", found)


def _variables(document: Document, sources: Sources) -> Iterator[Finding]:
    """Which names that the file mentions have no value here."""
    env_file = document.written.get("envFile")
    kept: dict[str, str] = {}
    if env_file:
        try:
            kept = read_env_file(sources.folder / env_file)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            yield Finding("fail", "envFile", f"{env_file} cannot be read: {why}", "write it, or delete the line")
    unset = sorted(name for name in _needed(document) if name not in kept and name not in os.environ)
    if unset:
        where = f"export them, or write them into {env_file}" if env_file else "export them where you apply"
        yield Finding("warn", "variables", f"not set here: {', '.join(unset)}", where)


def _secrets(document: Document, state: StateDir) -> Iterator[Finding]:
    """Whether the stored secrets can be opened, and which of those that the file names are not there."""
    used, vault = secrets_mentioned(document), Vault(state)
    try:
        vault.unlock()
        known = {secret.name for secret in vault.list()}
    except VaultError as error:
        yield Finding("fail", "secrets", str(error), error.hint)
        return
    except OSError as error:
        yield Finding("fail", "secrets", f"{state.vault} cannot be read: {error.strerror}", "mend its rights")
        return
    missing = [name for name in used if name not in known]
    if missing:
        yield Finding("warn", "secrets", f"not stored: {', '.join(missing)}", f"`reconciler secret set {missing[0]}`")
    elif known:
        yield Finding("ok", "secrets", f"{len(known)} stored, their key {_KEPT[vault.key_holder() or 'file']}")


def _needed(document: Document) -> set[str]:
    """The names that must have a value: those the file mentions without a default."""
    defaulted = {
        reference.name
        for text in strings_in(document.written)
        for reference in parse_template(text).references
        if reference.default is not None
    }
    return names_mentioned(document) - defaulted
