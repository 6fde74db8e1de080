"""Trying a server before it is saved: a session as it would be is opened, asked what it offers, and ended again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from reconciler.engine.environment import Environment
from reconciler.engine.project import Project
from reconciler.model.document import Document
from reconciler.model.server import Remote, Server, Stdio, Timeouts
from reconciler.sessions.hub import alone
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import Notify, Open, Resolve, Session, SessionError, StartFailed
from reconciler.sessions.sign_in.credential import Credential
from reconciler.sessions.sign_in.machine import Machines
from reconciler.sessions.stdio import StdioSession
from reconciler.sessions.transports import Surroundings, open_session

START_SECONDS = 30.0
LIST_SECONDS = 5.0
LONGEST = START_SECONDS + LIST_SECONDS
"""Seconds until a trial is broken off, whatever deadlines its server has."""
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it: `tools` is how many there are, None where it did not connect, and then `why` is a sentence.

    `stderr` are the last lines that a command printed there. No secret is in any of it.
    """

    tools: int | None
    why: str = ""
    stderr: tuple[str, ...] = ()


async def try_out(project: Project, document: Document, server_id: str, secrets: Mapping[str, str]) -> Tried:
    """Open a session of a server of `document` and end it; `secrets` are values that are not stored yet, by name.

    Nothing is kept of it: no yes, no log, no sign-in. When this returns no process of it is left.
    """
    environment, machines = project.environment.apart(secrets), Machines()
    signed_in = environment.held
    environment.held = lambda: (*signed_in(), *machines.secrets())
    trial = _Trial(project, document, environment, machines)
    server = document.server(server_id)
    try:
        tried = await trial.of(replace(server, timeouts=_shorter(server.timeouts)))
    finally:
        machines.close()
    return replace(tried, why=trial.hide(tried.why), stderr=tuple(map(trial.hide, tried.stderr)))


def _shorter(timeouts: Timeouts) -> Timeouts:
    return replace(timeouts, start=min(timeouts.start, START_SECONDS), list=min(timeouts.list, LIST_SECONDS))


class _Trial:
    """One session, apart from those of the project."""

    def __init__(self, project: Project, document: Document, environment: Environment, machines: Machines) -> None:
        self._project = project
        self._document = document
        self._environment = environment
        self._machines = machines
        self._printed: tuple[str, ...] = ()

    def hide(self, text: str) -> str:
        """A text without any secret."""
        return self._project.environment.hide(self._environment.hide(text))

    async def of(self, server: Server) -> Tried:
        """What comes of a session of the server."""
        settled = asyncio.Event()
        opened: Open = self._open
        instance = Instance(server, opened, alone(), settled.set)
        self._project.tried.add(instance)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(settled.wait(), LONGEST)
            tools = len(instance.listing.tools) if instance.state == "ready" else None
        finally:
            await instance.close()
            self._project.tried.discard(instance)
        return Tried(tools) if tools is not None else self._failed(instance.failure)

    def _failed(self, failure: SessionError | None) -> Tried:
        match failure:
            case StartFailed():
                return Tried(None, str(failure), failure.end.stderr[-LAST_LINES:])
            case SessionError(code="closed") | None:
                return Tried(None, f"It was not ready within {LONGEST:g} s.", self._printed)
            case _:
                return Tried(None, str(failure), self._printed)

    @asynccontextmanager
    async def _open(self, server: Server, instance_id: str, on_notification: Notify) -> AsyncIterator[Session]:
        resolve = self._environment.resolver(self._document, server.id)
        names = server.transport.forward if isinstance(server.transport, Stdio) else ()
        around = Surroundings(
            workspace=self._environment.folder,
            cookie=self._project.opening.cookie,
            instance=instance_id,
            log=None,
            environment=lambda: self._environment.forwarding(names, resolve),
            auth=self._auth,
            pinned=self._project.lock.pinned,
        )
        async with open_session(server, resolve, on_notification, around) as session:
            try:
                yield session
            finally:
                self._printed = session.stderr_tail(LAST_LINES) if isinstance(session, StdioSession) else ()

    def _auth(self, server: Server, resolve: Resolve) -> Credential | None:
        """What a program signs in with, or what somebody signed in with already."""
        credential = self._machines.auth(server, resolve) or self._project.sign_ins.at_hand(server, resolve)
        if credential is None and isinstance(server.transport, Remote) and server.transport.oauth:
            said = "A person signs in to it first: save it, then sign in on its page."
            raise SessionError(said, terminal=True, code="sign-in")
        return credential
