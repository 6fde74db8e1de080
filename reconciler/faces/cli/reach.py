"""Which engine is meant, and whether one runs: by the file in reach, by name, or the only one this user has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler import __version__
from reconciler.client import Answer, ApiError, Client, NoEngine
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.talk import tell
from reconciler.store.state_dir import StateDir

_START = "`reconciler watch` or `reconciler apply` starts one"


@dataclass(frozen=True, slots=True)
class Running:
    """A project that an engine holds now."""

    name: str
    state: StateDir
    client: Client


def connect(state: StateDir, project: str | None = None) -> Client | None:
    """The engine that holds this state; None when none answers."""
    return _greet(state, project)[0]


def _greet(state: StateDir, project: str | None) -> tuple[Client | None, Answer]:
    engine = state.engine()
    if engine is None:  # a full disk may have kept it from saying so
        if not state.socket.exists():
            return None, {}
        engine = {"socket": str(state.socket)}
    client = Client(Path(engine["socket"]), project or engine.get("project"))
    try:
        return client, client.hello()
    except (NoEngine, ApiError):
        return None, {}


def running(base: Path) -> Iterator[Running]:
    """Every project of this user that an engine holds, by name."""
    found = []
    for folder in sorted(base.iterdir()) if base.is_dir() else []:
        state = StateDir(folder)
        client = connect(state)
        if client is not None:
            name = (state.engine() or {}).get("project") or folder.name.rpartition("-")[0]
            found.append(Running(name, state, client))
    yield from sorted(found, key=lambda one: one.name)


def find(options: Options) -> tuple[StateDir, Client | None]:
    """The state that is meant and the engine that holds it, None when none runs.

    Raises Stop where neither a file nor a running engine says which state that is.
    """
    sources = options.sources()
    if sources is not None and options.project is None:
        state = options.state(sources)
        client, hello = _greet(state, None)
        _compare_versions(hello)
        return state, client
    chosen = _chosen(options)
    return chosen.state, chosen.client


def reach(options: Options) -> Client:
    """The engine that is meant. Raises Stop when none runs."""
    state, client = find(options)
    if client is None:
        name = state.path.name.rpartition("-")[0]
        raise Stop(Exit.SYSTEM, "no-engine", f"no engine runs for {name}", _START)
    return client


def _chosen(options: Options) -> Running:
    """What -p names among the running projects, or the only one there is."""
    there = list(running(options.base))
    fitting = [one for one in there if options.project in (None, one.name)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(one.name for one in there)
    if not there and options.project is None:
        options.needed_sources()
    if not there:
        raise Stop(Exit.SYSTEM, "no-engine", "no engine runs", _START)
    if not fitting:
        message = f'no running engine has a project "{options.project}"; there are: {names}'
        raise Stop(Exit.USAGE, "unknown-project", message, "-p NAME chooses one of them")
    hint = "-p NAME chooses one, -f FILE names its file"
    raise Stop(Exit.USAGE, "several-engines", f"several projects are running: {names}", hint)


def _compare_versions(hello: Answer) -> None:
    theirs = hello.get("version", __version__)
    if theirs != __version__:
        tell(f"note: the running engine is version {theirs}, this command {__version__}: stop it and start it anew")
