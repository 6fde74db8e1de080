"""One process hosting projects: each with its own state, loop and sessions. Nothing is global but the listener."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reconciler import __version__
from reconciler.engine.events import now_text
from reconciler.engine.follow import AutoApprove, Follower
from reconciler.engine.project import Project
from reconciler.engine.status import EngineFacts, status
from reconciler.store.files import write_whole
from reconciler.store.observed import write_observed
from reconciler.store.sources import Sources, project_name
from reconciler.store.state_dir import state_dir_of

REPORT_SECONDS = 1.0
"""observed.json is at most this much behind."""


class SameName(Exception):
    """Two files of one process name the same project."""

    def __init__(self, name: str) -> None:
        super().__init__(f'two files are called "{name}": give one of them another `project:`')


class Host:
    """The projects of this process, by name. `stopping` is set when somebody asked the process to end."""

    def __init__(self) -> None:
        self.projects: dict[str, Project] = {}
        self.stopping = asyncio.Event()
        self.facts = EngineFacts(now_text())
        self.added: list[Callable[[Project], None]] = []
        """Called with every project that is hosted from now on."""
        self.removed: list[Callable[[Project], None]] = []
        """Called with every project that is hosted no more."""
        self._root: str | None = None
        self._followers: dict[str, Follower] = {}
        self._locks: list[int] = []
        self._reporters: list[asyncio.Task[None]] = []

    async def add(self, sources: Sources, base: Path) -> Project:
        """Host the project of a file. Raises StateBusy when another engine has it, StateTooNew."""
        name = await asyncio.to_thread(project_name, sources)
        if name in self.projects:
            raise SameName(name)
        state = state_dir_of(sources.main, name, base)
        state.ensure()
        lock = state.hold()
        project = Project(name, sources, state)
        try:
            await project.start()
        except BaseException:
            os.close(lock)
            raise
        self._locks.append(lock)
        self.projects[project.name] = project
        project.public_url = lambda: self.facts.url
        works = (self._report(project), project.tokens.follow(), project.secrets.follow())
        self._reporters += [asyncio.create_task(work) for work in works]
        for tell in self.added:
            tell(project)
        return project

    @property
    def root(self) -> Project:
        """The project that also answers at the root: the first by name of those there were when we began to listen."""
        return self.projects[self._root or min(self.projects)]

    def announce(self, socket: Path) -> None:
        """Write down, in every project's directory, who holds it and how to reach us."""
        self._root = self.root.name
        facts = {
            "pid": os.getpid(),
            "startedAt": self.facts.started_at,
            "socket": str(socket),
            "url": self.facts.url,
            "version": __version__,
        }
        for project in self.projects.values():
            write_whole(project.state.engine_file, json.dumps({**facts, "project": project.name}), mode=0o600)

    def follow(self, project: Project, auto_approve: AutoApprove, *, poll: bool = False) -> Follower:
        """Follow the project's file from now on; whoever follows it already goes on doing so."""
        if project.name not in self._followers:
            self._followers[project.name] = Follower(project, auto_approve, poll=poll)
        return self._followers[project.name]

    async def unfollow(self, project: Project) -> None:
        """Stop following the project's file."""
        follower = self._followers.pop(project.name, None)
        if follower is not None:
            await follower.stop()

    async def stop(self) -> None:
        """End every project; returns when no process of ours is left."""
        for follower in self._followers.values():
            await follower.stop()
        for reporter in self._reporters:
            reporter.cancel()
        await asyncio.gather(*self._reporters, return_exceptions=True)
        for project in self.projects.values():
            await project.stop()
            write_observed(project.state, _at_rest(status(project, None)))
            project.state.engine_file.unlink(missing_ok=True)
        for lock in self._locks:
            os.close(lock)

    async def _report(self, project: Project) -> None:
        """Keep observed.json close to the truth."""
        while True:
            await project.changed_at.wait()
            project.changed_at.clear()
            with suppress(OSError):  # a full disk now is no reason to stay silent later
                await asyncio.to_thread(write_observed, project.state, status(project, None))
            await asyncio.sleep(REPORT_SECONDS)


def _at_rest(report: dict[str, object]) -> dict[str, object]:
    """A status document of sessions that were closed because the engine stopped."""
    servers = report["servers"]
    assert isinstance(servers, list)
    gone = {"status": "disconnected", "pid": None, "instance": None, "nextRetryAt": None, "health": "Missing"}
    rows = [{**row, **gone, "reason": "the engine is stopped"} if row["enabled"] else row for row in servers]
    return {**report, "servers": rows}
