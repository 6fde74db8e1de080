"""What the worker of one server asks of its project."""

from __future__ import annotations

from typing import Protocol

from reconciler.model.server import Server
from reconciler.sessions.hub import Hub
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import End
from reconciler.sessions.uplink import Uplinks


class World(Protocol):
    """What a worker asks of its project."""

    hub: Hub
    uplinks: Uplinks

    def wanted(self, server_id: str) -> Server | None:
        """The accepted server, None once it is gone."""
        ...

    def paused(self, server_id: str) -> str | None:
        """Who keeps the server from running, since when and until when; None where it may run."""
        ...

    def generation(self, server_id: str) -> int:
        """The serial of what was applied that changed the server last."""
        ...

    def last_words(self, server_id: str) -> str:
        """What the process that was started last has printed until now, in one line."""
        ...

    def last_ready(self, server_id: str) -> Server | None:
        """The server as it last reached ready, when that was another spec."""
        ...

    def became_ready(self, instance: Instance) -> None:
        """A new session serves."""
        ...

    def changed(self, server_id: str) -> None:
        """Something visible of the server changed."""
        ...

    def failed(self, server_id: str, reason: str) -> None:
        """A try to open a session came to nothing."""
        ...

    def went_down(self, instance: Instance, end: End) -> None:
        """A session ended that nobody asked to end."""
        ...

    def never_came(self, instance: Instance, end: End) -> None:
        """A process ended, or was ended, before there was a session with it."""
        ...

    def gone(self, server_id: str) -> None:
        """The server is no longer accepted, and its last session is closed: nothing is kept of it."""
        ...
