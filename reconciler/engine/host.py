"""One process hosting projects: each with its own state, loop and sessions. Nothing is global but the listener."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler import __version__
from reconciler.engine.at_rest import at_rest
from reconciler.engine.awake import watch_clocks
from reconciler.engine.change import Consent, apply_file, remember_found, show_waiting
from reconciler.engine.events import now_text
from reconciler.engine.folder import Folder, FolderRefused
from reconciler.engine.follow import AutoApprove, Follower
from reconciler.engine.project import Project
from reconciler.engine.put_off import catch_up
from reconciler.engine.status import EngineFacts, status
from reconciler.engine.visits import Visits
from reconciler.store.files import write_whole
from reconciler.store.known_as import forget
from reconciler.store.observed import write_observed
from reconciler.store.places import apart
from reconciler.store.refused import why_not_written
from reconciler.store.set_aside import set_state_aside
from reconciler.store.sources import Sources, project_name
from reconciler.store.state_dir import StateBusy, state_dir_of

REPORT_SECONDS = 1.0
"""observed.json is at most this much behind."""
LOOK_SECONDS = 1.0
"""How often a directory that is hosted is looked at."""


class SameName(Exception):
    """Two files of one process name the same project."""

    def __init__(self, name: str) -> None:
        super().__init__(f'two files are called "{name}": give one of them another `project:`')


@dataclass(frozen=True, slots=True)
class _Hosted:
    """What goes with a project while it is hosted: the lock of its state, and what runs beside it."""

    lock: int
    works: list[asyncio.Task[None]]

    async def end_works(self) -> None:
        for work in self.works:
            work.cancel()
        await asyncio.gather(*self.works, return_exceptions=True)


class Host:
    """The projects of this process, by name. `stopping` is set when somebody asked the process to end."""

    def __init__(self, *, read_only: bool = False) -> None:
        """`read_only`: no file is written from here; what somebody wants to change is answered with the patch."""
        self.projects: dict[str, Project] = {}
        self.stopping = asyncio.Event()
        self.facts = EngineFacts(now_text(), read_only=read_only)
        self.added: list[Callable[[Project], None]] = []
        """Called with every project that is hosted from now on."""
        self.removed: list[Callable[[Project], None]] = []
        """Called with every project that is hosted no more."""
        self.folder: Folder | None = None
        """The directory that is hosted, where one is."""
        self.visits = Visits()
        self._root: str | None = None
        self._socket: Path | None = None
        self._followers: dict[str, Follower] = {}
        self._hosted: dict[str, _Hosted] = {}
        self._changing = asyncio.Lock()

    async def add(self, sources: Sources, base: Path) -> Project:
        """Host the project of a file. Raises SameName, StateBusy when another engine has it, StateTooNew."""
        name = await asyncio.to_thread(project_name, sources)
        if name in self.projects:
            raise SameName(name)
        state = state_dir_of(sources.main, name, base)
        state.ensure()
        lock = state.hold()
        state.sweep()
        state.remember()
        project = Project(name, sources, state)
        try:
            await project.start()
            await remember_found(project)
        except BaseException:
            with suppress(OSError):
                await project.stop()  # of many servers some may run
            os.close(lock)
            raise
        self.projects[project.name] = project
        project.read_only = self.facts.read_only
        project.public_url = lambda: self.facts.url
        if project.holds.any:
            await show_waiting(project, await project.read())
        follow = (project.tokens.follow(), project.secrets.follow(), watch_clocks(project.jumped))
        works = (self._report(project), catch_up(project), *follow)
        self._hosted[name] = _Hosted(lock, [asyncio.create_task(work) for work in works])
        for tell in self.added:
            tell(project)
        return project

    async def create(self, name: str, who: str) -> Project:
        """Begin a project: its file is written into the directory that is hosted, and is followed from now on.

        `who` says yes to what the file begins with. Raises FolderRefused.
        """
        async with self._changing:
            folder = self._writable_folder(f'"{name[:63]}" cannot be created')
            path = await asyncio.to_thread(folder.write, name, tuple(self.projects))
            try:
                await asyncio.to_thread(_forget_state, path, name, folder.base)
                project = await self.add(folder.sources(path), folder.base)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            await apply_file(project, Consent(who, None), lambda _: None)
            self._follow_new(folder, project)
            return project

    async def remove(self, name: str) -> None:
        """Take a project away: its sessions end, nobody comes in any more, and its file is gone. What was done in it
        stays on record. Raises FolderRefused."""
        async with self._changing:
            project = self.projects.get(name)
            if project is None:
                raise FolderRefused("unknown", f'there is no project "{name[:63]}"')
            folder = self._writable_folder(f'"{name}" cannot be taken away')
            if project is self.root:
                raise FolderRefused("root", f'"{name}" also answers where no project is named, and stays')
            await asyncio.to_thread(folder.delete, project.sources)
            await self._end(project)
            await asyncio.to_thread(set_state_aside, project.state, now_text().replace(":", ""))

    async def take_in_new(self) -> None:
        """Host every file that comes into the directory, until cancelled. One that goes away changes nothing: its
        project holds what was applied."""
        folder = self._needed_folder("nothing can be looked for")
        known = set(await asyncio.to_thread(folder.files))
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._changing:
                known |= {project.sources.main for project in self.projects.values()}
                new = [path for path in await asyncio.to_thread(folder.files) if path not in known]
                known.update(new)
                for sources in self._apart(map(folder.sources, new)) if new else ():
                    await self._try_to_take_in(folder, sources)

    def _needed_folder(self, what: str) -> Folder:
        if self.folder is None:
            message = f"{what}: this engine hosts single files; `reconciler watch DIR` hosts a directory"
            raise FolderRefused("no-folder", message)
        return self.folder

    def _writable_folder(self, what: str) -> Folder:
        folder = self._needed_folder(what)
        if self.facts.read_only:
            raise FolderRefused("read-only", f"{what}: this engine changes no file (--read-only)")
        return folder

    def _apart(self, new: Iterable[Sources]) -> list[Sources]:
        """Without those whose file we host by another path."""
        hosted = [project.sources for project in self.projects.values()]
        return apart([*hosted, *new])[len(apart(hosted)) :]

    async def _try_to_take_in(self, folder: Folder, sources: Sources) -> None:
        try:
            self._follow_new(folder, await self.add(sources, folder.base))
        except Exception as error:  # one file's trouble never keeps others out
            self.root.events.say("hosting", f"{sources.shown(sources.main)} is not hosted: {error}")

    def _follow_new(self, folder: Folder, project: Project) -> None:
        self._write_facts(project)
        self.follow(project, "all" if folder.auto_approve == "all" else "no", poll=folder.poll)

    @property
    def root(self) -> Project:
        """The project that also answers at the root: the first by name of those there were when we began to listen."""
        return self.projects[self._root or min(self.projects)]

    def announce(self, socket: Path) -> None:
        """Write down, in every project's directory, who holds it and how to reach us."""
        self._root = self.root.name
        self._socket = socket
        for project in self.projects.values():
            self._write_facts(project)
            project.sign_ins.moved()

    def _write_facts(self, project: Project) -> None:
        facts = {
            "pid": os.getpid(),
            "startedAt": self.facts.started_at,
            "socket": str(self._socket),
            "url": self.facts.url,
            "version": __version__,
            "project": project.name,
        }
        try:
            write_whole(project.state.engine_file, json.dumps(facts), mode=0o600)
        except OSError as error:  # commands find the socket of the root project all the same
            project.events.say("state", why_not_written(error))

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

    async def stop(self) -> list[str]:
        """End every project, side by side; returns when no process of ours is left, with what the disk refused.

        Whatever befalls one of them keeps no other from its end; it is raised afterwards.
        """
        for follower in self._followers.values():
            await follower.stop()
        for hosted in self._hosted.values():
            await hosted.end_works()
        ended = await asyncio.gather(*map(self._put_to_rest, self.projects.values()), return_exceptions=True)
        for hosted in self._hosted.values():
            os.close(hosted.lock)
        for end in ended:
            if isinstance(end, BaseException):
                raise end
        return [refusal for end in ended if not isinstance(end, BaseException) for refusal in end]

    async def _end(self, project: Project) -> None:
        """Host one project no more."""
        await self.unfollow(project)
        hosted = self._hosted.pop(project.name)
        await hosted.end_works()
        del self.projects[project.name]
        project.tokens.end()
        for tell in self.removed:
            tell(project)
        await self._put_to_rest(project)
        os.close(hosted.lock)

    async def _put_to_rest(self, project: Project) -> list[str]:
        """End it and write its last report. Answers what the disk refused, a sentence each."""
        refused = []
        try:
            await project.stop()
        except OSError as error:
            refused.append(why_not_written(error))
        try:
            write_observed(project.state, _at_rest(status(project, None)))
            project.state.engine_file.unlink(missing_ok=True)
        except OSError as error:
            refused.append(why_not_written(error))
        return refused

    async def _report(self, project: Project) -> None:
        """Keep observed.json close to the truth."""
        known = 0
        while True:
            await project.news.after(known)
            await asyncio.sleep(REPORT_SECONDS)  # most changes are a few at once, with somebody waiting for an answer
            known = project.news.number
            with suppress(OSError):  # a full disk now is no reason to stay silent later
                await asyncio.to_thread(write_observed, project.state, status(project, None))


def _forget_state(main: Path, name: str, base: Path) -> None:
    """Who came into a project whose file is gone does not come into a new one of that name. The state of a file that
    a link led to from there stays with that. Raises FolderRefused."""
    forget(main, base)
    while (state := state_dir_of(main, name, base)).path.exists():
        try:
            os.close(state.hold())
        except StateBusy as error:
            raise FolderRefused("exists", f"another engine has it: {error}") from error
        set_state_aside(state, now_text().replace(":", ""))


def _at_rest(report: dict[str, object]) -> dict[str, object]:
    """A status document of sessions that were closed because the engine stopped."""
    servers = report["servers"]
    assert isinstance(servers, list)
    return {**report, "servers": [at_rest(row, "the engine is stopped") for row in servers]}
