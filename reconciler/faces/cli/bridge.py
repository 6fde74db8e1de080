"""`reconciler bridge`: the gateway over stdio, for clients that speak nothing else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click

from reconciler.faces.bridge.link import Address, Link
from reconciler.faces.bridge.run import run
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.store.places import Sources
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import TokensDamaged, local_token


@click.command("bridge")
@click.option("--server", metavar="ID", help="One server alone, its tools by their own names.")
@click.option("--group", metavar="ID", help="The servers of one group.")
@shared(project=True)
def command(options: Options, server: str | None, group: str | None) -> int:
    """Speak MCP on standard input and output.

    For clients that cannot speak HTTP: what they say goes to the gateway of the engine that runs, or of one that is
    started in the background with what was applied before. It lives as long as its input.
    """
    if server is not None and group is not None:
        raise click.UsageError("give --server or --group, not both")
    state, endpoint = _state(options), _endpoint(server, group)
    return run(Link(lambda: _address(state, endpoint)))


def _endpoint(server: str | None, group: str | None) -> str:
    kind, name = ("/s/", server) if server is not None else ("/g/", group)
    return f"/mcp{kind}{quote(name, safe='')}" if name is not None else "/mcp"


def _address(state: StateDir, endpoint: str) -> Address | None:
    """Where the engine of a project says that it listens; None while none says so."""
    engine = state.engine()
    if engine is None or not isinstance(engine.get("socket"), str):
        return None
    try:
        token = local_token(state, "client")
    except (TokensDamaged, OSError):  # then it is the engine that says so
        token = None
    return Address(Path(engine["socket"]), f"/p/{quote(str(engine.get('project')), safe='')}{endpoint}", token)


def _state(options: Options) -> StateDir:
    """The state whose engine is meant; it runs, or is just coming up. Raises Stop, StartFailed."""
    sources = options.sources() if options.project is None else None
    if sources is None:
        from reconciler.faces.cli.reach import find  # a door: it loads http.client

        return find(options)[0]
    state = options.state(sources)
    if not state.answers():
        _start(options, sources)
    return state


def _start(options: Options, sources: Sources) -> None:
    """Start an engine that outlives us, unless somebody else does so right now. Raises StartFailed."""
    from reconciler.faces.cli.hosting import StartFailed, let_servers_come, start_in_background  # a door, seldom used

    try:
        let_servers_come(start_in_background(sources, options.base, follow=False))
    except StartFailed as failed:
        if failed.exit_code != Exit.BUSY:
            raise
