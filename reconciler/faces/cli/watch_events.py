"""What `watch` says in its terminal: one line per event, and what waits with the command that answers it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.faces.cli.event_text import event_line
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.paste import paste_lines
from reconciler.faces.cli.talk import tell
from reconciler.faces.http.client_entries import endpoint_url
from reconciler.faces.http.page_link import page_link
from reconciler.store.places import Sources
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import local_token

_BELL = "\a"
_ASKING = ("waiting", "approval")
"""Kinds of events that wait for the person."""


class _Project(Protocol):
    """What is read of a hosted project."""

    name: str
    sources: Sources
    state: StateDir

    @property
    def events(self) -> Any: ...


class _Host(Protocol):
    """What is read of the engine."""

    projects: dict[str, Any]
    facts: Any
    added: list[Callable[[Any], None]]
    stopping: asyncio.Event

    @property
    def root(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the person at the terminal what happens. `files` are what is followed."""

    paint: Painter
    files: Sequence[str]

    async def listen(self, host: _Host) -> None:
        """Say what is followed, then every event, until cancelled."""
        tell(f"following {', '.join(self.files)} (process {os.getpid()}); Ctrl-C ends the engine and its servers")
        for project in host.projects.values():
            self._tell_clients(project, host)
        self._tell_page(host)
        try:
            async with asyncio.TaskGroup() as telling:

                def begin(project: _Project) -> None:
                    telling.create_task(self._tell_events(project))

                for project in host.projects.values():
                    begin(project)
                host.added.append(begin)
        finally:
            if host.stopping.is_set():
                tell("ending the servers; Ctrl-C again kills those that take their time")

    def _tell_clients(self, project: _Project, host: _Host) -> None:
        """The token itself is for the eyes of a person alone."""
        engine = host.facts.url
        url = endpoint_url(engine, project.name, root=project is host.root) if engine else None
        token = local_token(project.state, "client") if self.paint.on_terminal else None
        for line in paste_lines(url, project.sources.main.absolute(), project.state.path.parent.absolute(), token):
            tell(self.paint.role(self.paint.safe(line), "muted"))

    def _tell_page(self, host: Any) -> None:
        """The link, as the token, is for the eyes of a person alone."""
        link = page_link(host, host.root, "owner") if self.paint.on_terminal else None
        if link is not None:
            tell(f"the page: {link}")
            tell(
                self.paint.role(
                    "  lets one browser in, once, within ten minutes; `reconciler open` does later", "muted"
                )
            )

    async def _tell_events(self, project: _Project) -> None:
        async with project.events.listen() as queue:
            while True:
                event = await queue.get()
                bell = _BELL if event["kind"] in _ASKING and self.paint.on_terminal else ""
                tell(bell + event_line(event, self.paint))
