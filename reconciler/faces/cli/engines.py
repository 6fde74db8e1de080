"""The engine that a command needs: the one that runs, else one started for it, ended again where that was asked for."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.client import Client
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.hosting import start_in_background
from reconciler.faces.cli.reach import connect
from reconciler.faces.cli.settle import end_engine
from reconciler.faces.cli.talk import tell
from reconciler.store.places import Sources


@contextmanager
def engine(options: Options, sources: Sources, *, once: bool = False) -> Iterator[Client]:
    """The engine of a project. With `once`, one that was started here is ended on the way out, however that comes."""
    state = options.state(sources)
    client = connect(state)
    if client is not None:
        yield client
        return
    client = start_in_background(sources, options.base, follow=False)
    if not once:
        tell("started an engine in the background: it holds the sessions, and does not follow the file")
        tell("  `reconciler watch` makes it follow, `reconciler stop` ends it")
    try:
        yield client
    finally:
        if once:
            end_engine(client, state)


def who() -> str:
    """Who gives a yes, for the history: `user@host`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
