"""The engine that a command needs: the one that runs, else one started for it, ended again where that was asked for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.client import Client
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.hosting import start_in_background
from reconciler.faces.cli.listening import Listening
from reconciler.faces.cli.paste import SHOW_TOKEN
from reconciler.faces.cli.reach import connect
from reconciler.faces.cli.settle import end_engine
from reconciler.faces.cli.talk import tell
from reconciler.store.home import user_name
from reconciler.store.places import Sources


@contextmanager
def engine(options: Options, sources: Sources, listening: Listening, *, once: bool = False) -> Iterator[Client]:
    """The engine of a project; `listening` is for one that is started here.

    With `once`, that one is ended on the way out, however that comes.
    """
    state = options.state(sources)
    client = connect(state)
    if client is not None:
        tell_it_listens(client, listening)
        yield client
        return
    client = start_in_background(sources, options.base, follow=False, listening=listening.arguments)
    if not once:
        tell("started an engine in the background: it holds the sessions, and does not follow the file")
        tell("  `reconciler watch` makes it follow, `reconciler stop` ends it")
        tell_clients(client)
    try:
        yield client
    finally:
        if once:
            end_engine(client, state)


def tell_clients(client: Client) -> None:
    """Where clients find an engine that was started in the background."""
    url = client.hello()["url"]
    if url:
        tell(f"  clients connect to {url}/mcp; {SHOW_TOKEN}")


def tell_it_listens(client: Client, listening: Listening) -> None:
    """An engine that runs listens where it does: say so to whoever asked for something else."""
    if listening.on_command_line:
        tell(f"note: the engine runs already, and listens on {client.hello()['url'] or 'its local socket alone'}")


def who() -> str:
    """Who gives a yes, for the history: `user@host`."""
    return f"{user_name()}@{socket.gethostname()}"
