"""How a session of a project is opened: what it may see of its surroundings, and what is known of the server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.engine.environment import Environment
from reconciler.engine.ledger import Ledger
from reconciler.engine.locked import ProjectLock
from reconciler.model.server import Server, Stdio
from reconciler.sessions.instance import Instance
from reconciler.sessions.last_words import last_words
from reconciler.sessions.session import STARTED, Era, Notify, Opened
from reconciler.sessions.sign_in.sign_ins import SignIns
from reconciler.sessions.transports import Surroundings, open_session
from reconciler.store.files import text_digest
from reconciler.store.state_dir import StateDir


class Opening:
    """The way to the servers of one project."""

    def __init__(
        self, state: StateDir, environment: Environment, ledger: Ledger, sign_ins: SignIns, lock: ProjectLock
    ) -> None:
        self._state = state
        self._environment = environment
        self._ledger = ledger
        self._sign_ins = sign_ins
        self._lock = lock
        self._eras: dict[str, tuple[str, Era]] = {}
        """By server: the spec that served last, and its era."""
        self._stderr: dict[str, Callable[[], Sequence[str]]] = {}

    @property
    def cookie(self) -> str:
        """What marks our child processes: the same for every engine of this state, and for no other that may run."""
        return f"{self._state.path.name}-{text_digest(os.fsencode(self._state.path.resolve()))[7:19]}"

    def open(self, server: Server, instance_id: str, on_notification: Notify) -> Opened:
        """A session of the server; see `open_session`."""
        resolve = self._environment.resolver(self._ledger.document, server.id)
        names = server.transport.forward if isinstance(server.transport, Stdio) else ()
        surroundings = Surroundings(
            workspace=self._environment.folder,
            cookie=self.cookie,
            instance=instance_id,
            log=self._state.server_logs / f"{server.id}.log",
            environment=lambda: self._environment.forwarding(names, resolve),
            era=self._era(server),
            auth=self._sign_ins.auth,
            pinned=self._lock.pinned,
        )

        def told(method: str, params: Mapping[str, Any]) -> None:
            if method == STARTED:
                self._stderr[server.id] = params["stderr"]
            on_notification(method, params)

        self._stderr.pop(server.id, None)
        return open_session(server, resolve, told, surroundings)

    def last_words(self, server_id: str) -> str:
        """What the process that was started last has printed until now, in one line."""
        stderr = self._stderr.get(server_id)
        return last_words(stderr()) if stderr else ""

    def opened(self, instance: Instance) -> None:
        """Remember which era the server speaks: it is not asked again. What it printed while it started is let go."""
        server = instance.server
        self._stderr.pop(server.id, None)
        if instance.session is not None:
            self._eras[server.id] = (server.spec, instance.session.handshake.era)

    def forget(self, server_id: str) -> None:
        """The server is gone."""
        self._eras.pop(server_id, None)
        self._stderr.pop(server_id, None)

    def _era(self, server: Server) -> Era | None:
        spec, era = self._eras.get(server.id, ("", None))
        return era if spec == server.spec else None
