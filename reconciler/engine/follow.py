"""Following a file: what is saved is planned and taken up, and what may not be believed changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from reconciler.config.events import MAX_BYTES
from reconciler.engine.change import Consent, apply_file, apply_plan, plan_to
from reconciler.engine.execute import Outcome
from reconciler.engine.project import Project
from reconciler.engine.watch import (
    SETTLE_SHRUNK,
    SETTLE_WRITTEN,
    Signature,
    Verdict,
    changes,
    judge,
    quiet_for,
    replaced_by_host,
)
from reconciler.problems import Place, errors
from reconciler.store.files import read_at_most, text_digest
from reconciler.store.refused import try_room
from reconciler.store.sources import Snapshot, all_paths

AutoApprove = Literal["no", "start", "all"]
Texts: TypeAlias = dict[Path, bytes]
LOOK_AGAIN = 1.0
ROOM = 64 * 1024
"""Bytes that the state must have room for, besides its own size, before what the disk refused is tried again."""


class NotKept(Exception):
    """The disk refused what was saved; the message says which place, why, and the way out."""


class Follower:
    """Takes up what is saved, for one project. `settled` is set once the file as found at start was looked at."""

    def __init__(self, project: Project, auto_approve: AutoApprove = "no", *, poll: bool = False) -> None:
        self.settled = asyncio.Event()
        self._project = project
        self._auto = auto_approve
        self._poll = poll
        self._first = True
        self._believed: Texts = {}
        self._inode: int | None = None
        self._said = ""
        self._remarked: str | None = None
        self._refused: str | None = None
        project.followed.on, project.followed.deaf = True, False
        self._task = asyncio.create_task(self._run(), name=f"follower of {project.name}")

    async def say_yes(self, auto_approve: AutoApprove) -> None:
        """A yes to the file as it is now; `all` is one to whatever is saved later, too."""
        if auto_approve == "all":
            self._auto = auto_approve
        if auto_approve != "no" and self._project.followed.held is None:
            await apply_file(self._project, Consent("watch", None), _ignore, wait=0)

    async def stop(self) -> None:
        """Stop following; what was accepted stays."""
        self._project.followed.on = False
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            with suppress(ValueError, OSError):  # a path that no file can have: look again when the file changed
                await self._follow()
            await asyncio.sleep(LOOK_AGAIN)

    async def _follow(self) -> None:
        async for found in changes(self._paths, poll=self._poll, told=self._told):
            try:
                await self._saved(found)
            except NotKept as refusal:
                self._refused = str(refusal)
                self._hold(f"the save is not taken up, and tried again until it is: {refusal}")
                return
            except OSError as error:
                self._hold(f"the file cannot be read for the moment: {error.strerror or error}")
                return  # it may be readable again without a change of it
            except Exception as error:  # a defect of ours must not end the following
                name = type(error).__name__
                self._hold(f"the save was not taken up, {name} is a defect of ours; what was applied stays")
            finally:
                self._first = self._first and self._refused is not None
                self.settled.set()

    def _paths(self) -> list[Path]:
        env_file = self._project.ledger.document.written.get("envFile")
        extra = [self._project.environment.folder / env_file] if env_file else []
        return [*all_paths([self._project.sources]), *extra]

    async def _saved(self, found: Mapping[Path, Signature]) -> None:
        renamed = self._was_renamed(found.get(self._project.sources.main))
        texts = await asyncio.to_thread(self._texts)
        if texts is None:
            self._hold("the file is not there; what was applied stays")
            return
        verdict, texts = await self._verdict(texts, renamed)
        if verdict.kind == "hold":
            await self._project.read()  # what is wrong with the files is what is wrong with them now
            self._hold(verdict.why)
        else:
            await self._take_up(texts)

    async def _verdict(self, texts: Texts, renamed: bool) -> tuple[Verdict, Texts]:
        """Wait until the texts have been quiet for long enough to be believed; the texts it is about come along.

        That there are errors is not waited for: it changes nothing.
        """
        loop = asyncio.get_running_loop()
        since = loop.time() - await _quiet(texts)
        while True:
            verdict = self._judged(texts, renamed, loop.time() - since)
            if verdict.kind != "wait" or self._first:
                return verdict, texts
            again = loop.time() + min(verdict.seconds, SETTLE_WRITTEN)
            wrong = _wrong(await self._project.read())  # there is time for it
            if wrong is not None and loop.time() - since >= SETTLE_WRITTEN:
                return Verdict("hold", why=wrong), texts
            looked = loop.time()
            await asyncio.sleep(again - looked)
            now = await asyncio.to_thread(self._texts)
            if now is not None and now != texts:  # not before that look, whatever the disk's clock says
                texts, renamed = now, False
                since = max(looked, loop.time() - await _quiet(now))

    def _judged(self, texts: Texts, renamed: bool, quiet: float) -> Verdict:
        """The most cautious verdict on any of the files."""
        gone = self._believed.keys() - texts.keys()  # as long as while an editor swaps a file
        verdict = Verdict("wait", SETTLE_SHRUNK - quiet) if gone and quiet < SETTLE_SHRUNK else Verdict("apply")
        for path, text in texts.items():
            before = self._believed.get(path, b"")
            known = text == before or text_digest(text) in self._project.followed.ours
            one = Verdict("apply") if known else judge(before, text, renamed=renamed, quiet=quiet)
            if one.kind == "hold":
                line, column = one.at
                place = Place(self._project.sources.shown(path), line, column)
                return Verdict("hold", why=f"{place}: {one.why}")
            verdict = max(verdict, one, key=lambda each: each.seconds)
        return verdict

    def _texts(self) -> Texts | None:
        """The bytes of every file that is there; None without the main file."""
        texts = {path: text for path in self._project.sources.paths if (text := _bytes_of(path)) is not None}
        return texts if self._project.sources.main in texts else None

    def _was_renamed(self, found: Signature) -> bool:
        inode = found[2] if found else None
        renamed = self._inode is not None and inode != self._inode
        self._inode = inode
        return renamed

    async def _take_up(self, texts: Texts) -> None:
        """Plan and take up what was judged; when the files say something else by now, another look is due."""
        project = self._project
        if self._refused is not None:
            await self._find_room(self._refused)
            self._first = self._first and texts == self._believed  # a yes to the first text is one to no other
            self._refused = None
        wrong = _wrong(await project.read())
        if wrong is not None:  # told also while something else is being applied
            self._hold(wrong)
            return
        async with project.applying:
            snapshot = await project.read()
            if await asyncio.to_thread(self._texts) != texts or _wrong(snapshot) is not None:
                return
            self._believed = texts
            self._release(project.sources.main)
            plan = plan_to(project, project.desired(snapshot), snapshot)
            plan = replace(plan, drift=tuple(each for each in plan.drift if not _stays(project, each.server)))
            if plan.actions or plan.drift or project.waiting.all or project.holds.servers:
                everything = self._auto == "all" or (self._auto == "start" and self._first)
                consent = Consent("watch", None if everything else frozenset())
                applied = await apply_plan(project, plan, consent, _ignore, wait=0)
                if applied.refused is not None:
                    raise NotKept(applied.refused)
            project.news.tell()

    async def _find_room(self, refused: str) -> None:
        """Return where the state can be written again; else what was refused is refused once more."""
        state = self._project.state
        try:
            known = state.accepted.stat().st_size if state.accepted.exists() else 0
            await asyncio.to_thread(try_room, state.path, 2 * known + ROOM)
        except OSError as error:
            raise NotKept(refused) from error

    def _release(self, main: Path) -> None:
        followed = self._project.followed
        followed.held, self._said = None, ""
        followed.replaced = replaced_by_host(main)
        self._tell_remark()

    def _told(self, event: bool) -> None:
        """An event of a save arrived, or several changes were found of which none told."""
        self._project.followed.deaf = not event
        self._tell_remark()

    def _tell_remark(self) -> None:
        """Say why saves come late or never; once, until it is something else."""
        remark = self._project.followed.remark
        if remark != self._remarked:
            self._remarked = remark
            if remark is not None:
                self._project.events.say("source", remark)
            self._project.news.tell()

    def _hold(self, why: str) -> None:
        self._project.followed.held = why
        self._project.news.tell()
        self._say(why)

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._project.events.say("source", why)


async def _quiet(texts: Texts) -> float:
    return await asyncio.to_thread(quiet_for, texts, time.time_ns())


def _wrong(snapshot: Snapshot) -> str | None:
    """What is wrong with what the files say, the first of it with its place; None where nothing is."""
    for wrong in errors(snapshot.reading.problems):
        at = f"{wrong.place}: " if wrong.place else ""
        return f"the file has errors, what was applied stays: {at}{wrong.detail}"
    return None


def _bytes_of(path: Path) -> bytes | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return read_at_most(path, MAX_BYTES + 1)
    return None


def _ignore(_: Outcome | tuple[str, str]) -> None:
    """Under `watch` progress is told as events."""


def _stays(project: Project, server_id: str) -> bool:
    """Whether a repair would stop what serves for a version that failed: a save of something else asks for no such."""
    worker = project.worker(server_id)
    return worker is not None and worker.life.stays
