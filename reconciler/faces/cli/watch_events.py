"""What `watch` says in its terminal: one line per event, and what waits with the command that answers it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.faces.cli.event_text import event_line
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.talk import tell

_BELL = "\a"


class _Project(Protocol):
    """What is read of a hosted project."""

    @property
    def events(self) -> Any: ...


class _Host(Protocol):
    """What is read of the engine."""

    projects: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the person at the terminal what happens. `files` are what is followed."""

    paint: Painter
    files: Sequence[str]

    async def listen(self, host: _Host) -> None:
        """Say what is followed, then every event, until cancelled."""
        tell(f"following {', '.join(self.files)} (process {os.getpid()}); Ctrl-C ends the engine and its servers")
        await asyncio.gather(*(self._tell_events(project) for project in host.projects.values()))

    async def _tell_events(self, project: _Project) -> None:
        async with project.events.listen() as queue:
            while True:
                event = await queue.get()
                bell = _BELL if event["kind"] == "waiting" and self.paint.on_terminal else ""
                tell(bell + event_line(event, self.paint))
