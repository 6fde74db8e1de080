"""However a file is saved, its final text is seen; and a text that looks unfinished is not believed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.engine import watch
from reconciler.engine.watch import (
    LATEST_LOOK,
    SETTLE_OPEN,
    SETTLE_RENAMED,
    SETTLE_SHRUNK,
    SETTLE_WRITTEN,
    Verdict,
    changes,
    directories,
    judge,
    quiet_for,
    replaced_by_host,
    signature,
)
from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.rig.saves import SAVES, Save, rename_over
from tests.store.namespace import run_with_mounts
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("APPLY-1:watch")]

Mode: TypeAlias = Literal["events", "ticks", "poll"]
NEVER = 3_600_000


class Seen:
    """What somebody who reads the file whenever `changes` says so has seen last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: bytes | None = b"nothing yet"
        self.told = asyncio.Event()
        self.events: list[bool] = []
        """Whether events arrive, each time that was said."""

    async def follow(self, paths: Callable[[], Iterable[Path]], *, poll: bool) -> None:
        async for _ in changes(paths, poll=poll, told=self.events.append):
            self.last = None
            with suppress(OSError):
                self.last = self.path.read_bytes()
            self.told.set()

    async def until(self, text: bytes | None) -> None:
        with anyio.fail_after(5):
            while self.last != text:
                self.told.clear()
                await self.told.wait()

    async def warm_up(self) -> None:
        """Return once an edit was seen: from then on the directory is watched."""
        for number in range(50):
            text = b"warm up %d" % number
            self.path.write_bytes(text)
            with suppress(TimeoutError):
                return await asyncio.wait_for(self.until(text), 0.1)
        raise AssertionError("no edit was ever seen")


@asynccontextmanager
async def watching(
    path: Path, *, poll: bool = False, paths: Callable[[], Iterable[Path]] | None = None
) -> AsyncIterator[Seen]:
    seen = Seen(path)
    task = asyncio.create_task(seen.follow(paths or (lambda: [path]), poll=poll))
    try:
        with anyio.fail_after(5):
            await seen.told.wait()
        yield seen
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled(), task.exception()


@pytest.fixture(params=["events", "ticks", "poll"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Mode:
    """Only native events, mostly ticks as where no events arrive, or the polling that `--poll` asks for."""
    chosen: Mode = request.param
    monkeypatch.setattr(watch, "TICK_MS", NEVER if chosen == "events" else 50)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    return chosen


@pytest.mark.parametrize("save", SAVES, ids=lambda save: save.__name__)
async def test_every_save_is_seen_however_it_is_made(tmp_path: Path, mode: Mode, save: Save) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path, poll=mode == "poll") as seen:
        await seen.warm_up()
        for text in (b"one", b"two", b"longer than before", b"s"):
            save(path, text)
            await seen.until(text)


async def test_saves_of_every_kind_follow_each_other(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path, poll=mode == "poll") as seen:
        await seen.warm_up()
        for number, save in enumerate([*SAVES, *reversed(SAVES)]):
            save(path, b"text %d" % number)
            await seen.until(b"text %d" % number)


async def test_of_many_saves_in_a_row_the_last_is_seen(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path, poll=mode == "poll") as seen:
        await seen.warm_up()
        for number in range(300):
            SAVES[number % len(SAVES)](path, b"text %d" % number)
        await seen.until(b"text 299")
        assert False not in seen.events


async def test_two_edits_of_the_same_size_within_the_same_second_are_both_seen(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path, poll=mode == "poll") as seen:
        await seen.warm_up()
        for text in (b"aaaa", b"bbbb", b"cccc"):
            path.write_bytes(text)
            await seen.until(text)


async def test_an_edit_within_one_step_of_the_clock_is_seen(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FRESH_NS", 10**30)
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"aaaa")
    async with watching(path, poll=mode == "poll") as seen:
        await seen.warm_up()
        path.write_bytes(b"bbbb")
        await seen.until(b"bbbb")
        before = path.stat().st_mtime_ns
        path.write_bytes(b"cccc")
        os.utime(path, ns=(before, before))
        await seen.until(b"cccc")


async def test_a_file_that_goes_and_comes_back_is_seen_both_times(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path, poll=mode == "poll") as seen:
        await seen.warm_up()
        path.unlink()
        await seen.until(None)
        path.write_bytes(b"back")
        await seen.until(b"back")


@pytest.mark.parametrize("mode", ["ticks", "poll"], indirect=True)
async def test_a_file_that_appears_later_is_seen(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "later" / "reconciler.yaml"
    async with watching(path, poll=mode == "poll") as seen:
        assert seen.last is None
        path.parent.mkdir()
        path.write_bytes(b"now")
        await seen.until(b"now")


@pytest.mark.parametrize("mode", ["ticks", "poll"], indirect=True)
async def test_a_directory_that_is_removed_and_made_again_is_watched_again(tmp_path: Path, mode: Mode) -> None:
    path = tmp_path / "folder" / "reconciler.yaml"
    path.parent.mkdir()
    path.write_bytes(b"first")
    async with watching(path, poll=mode == "poll") as seen:
        for number in range(3):
            path.unlink()
            path.parent.rmdir()
            path.parent.mkdir()
            path.write_bytes(b"made again %d" % number)
            await seen.until(b"made again %d" % number)
            path.write_bytes(b"edited %d" % number)
            await seen.until(b"edited %d" % number)


def configmap(folder: Path, number: int) -> None:
    """What the kubelet does: a new directory, and one rename of the link `..data` to it."""
    version = folder / f"..2026_{number}"
    version.mkdir()
    (version / "reconciler.yaml").write_bytes(b"version %d" % number)
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").replace(folder / "..data")
    old = folder / f"..2026_{number - 1}"
    if old.exists():
        (old / "reconciler.yaml").unlink()
        old.rmdir()


@pytest.mark.parametrize("mode", ["ticks", "poll"], indirect=True)
async def test_a_swap_of_a_config_map_is_seen_every_time(tmp_path: Path, mode: Mode) -> None:
    configmap(tmp_path, 0)
    path = tmp_path / "reconciler.yaml"
    path.symlink_to("..data/reconciler.yaml")
    async with watching(path, poll=mode == "poll") as seen:
        for number in range(1, 6):
            configmap(tmp_path, number)
            await seen.until(b"version %d" % number)


@pytest.mark.parametrize("mode", ["ticks", "poll"], indirect=True)
async def test_a_link_that_points_elsewhere_is_seen_and_so_are_edits_there(tmp_path: Path, mode: Mode) -> None:
    link = tmp_path / "here" / "reconciler.yaml"
    link.parent.mkdir()
    for number in range(3):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "real.yaml").write_bytes(b"target %d" % number)
    link.symlink_to("../d0/real.yaml")
    async with watching(link, poll=mode == "poll") as seen:
        for number in (1, 2, 0):
            other = link.with_name("tmp")
            other.symlink_to(f"../d{number}/real.yaml")
            other.replace(link)
            await seen.until((tmp_path / f"d{number}" / "real.yaml").read_bytes())
            rename_over(tmp_path / f"d{number}" / "real.yaml", b"edited %d" % number)
            await seen.until(b"edited %d" % number)


async def test_an_edit_behind_two_links_is_told_by_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TICK_MS", NEVER)
    for name in ("real", "middle", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "middle" / "dir").symlink_to("../real")
    path = tmp_path / "here" / "reconciler.yaml"
    path.symlink_to("../middle/dir/f.yaml")
    (tmp_path / "real" / "f.yaml").write_bytes(b"first")
    async with watching(path) as seen:
        await seen.warm_up()
        rename_over(tmp_path / "real" / "f.yaml", b"edited")
        await seen.until(b"edited")


async def test_a_file_that_is_named_later_is_watched_too(tmp_path: Path, mode: Mode) -> None:
    main, extra = tmp_path / "reconciler.yaml", tmp_path / ".env"
    extra.write_bytes(b"before")
    paths = [main]
    async with watching(extra, poll=mode == "poll", paths=lambda: paths) as seen:
        main.write_bytes(b"x")
        paths.append(extra)
        await seen.warm_up()
        extra.write_bytes(b"edited")
        await seen.until(b"edited")


async def test_where_the_system_gives_no_watches_files_are_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: Iterable[Path]) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watch, "_events", none_left)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path) as seen:
        for text in (b"one", b"two"):
            path.write_bytes(text)
            await seen.until(text)


async def test_that_no_event_told_of_several_changes_is_said_once_until_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on many mounts: the directory that is watched in truth is another one."""
    real, elsewhere = watch._events, tmp_path / "elsewhere"
    monkeypatch.setattr(watch, "_events", lambda _: real([elsewhere]))
    monkeypatch.setattr(watch, "TICK_MS", 50)
    elsewhere.mkdir()
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"first")
    async with watching(path) as seen:
        for number in range(6):
            assert seen.events == [False] * (number >= watch.UNTOLD)
            path.write_bytes(b"text %d" % number)
            await seen.until(b"text %d" % number)
        (elsewhere / "event").touch()
        await come_true(lambda: seen.events[-1], 5)
        assert seen.events[:2] == [False, True]


async def test_a_file_that_came_and_went_between_two_looks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it may have had it taken up."""
    monkeypatch.setattr(watch, "TICK_MS", NEVER)
    path, overlay = tmp_path / "reconciler.yaml", tmp_path / "reconciler.local.yaml"
    path.write_bytes(b"first")
    async with watching(path, paths=lambda: [path, overlay]) as seen:
        await seen.warm_up()
        for number in range(3):  # what is fresh is told again with these, and then nothing is
            known = len(seen.events)
            (tmp_path / f"another {number}").touch()
            await come_true(lambda known=known: len(seen.events) > known, 5)  # type: ignore[misc]
        seen.told.clear()
        overlay.write_bytes(b"there")
        overlay.unlink()
        with anyio.fail_after(5):
            await seen.told.wait()


async def test_a_link_that_vanishes_between_two_looks_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    path = tmp_path / "reconciler.yaml"
    path.symlink_to("nowhere/at/all.yaml")
    async with watching(path, poll=True) as seen:
        assert seen.last is None
        path.unlink()
        path.write_bytes(b"there")
        await seen.until(b"there")


# Signatures and directories


def test_a_change_of_mode_is_no_change_and_a_touch_is_one(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_bytes(b"x")
    before = signature(path)
    path.chmod(0o600)
    assert signature(path) == before
    os.utime(path, ns=(1, 1))
    assert signature(path) != before
    path.unlink()
    assert signature(path) is None


def test_how_long_a_file_is_quiet_is_told_by_the_disk_and_not_by_what_a_program_says(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x")
    os.utime(one, ns=(1, 1))
    written = one.stat().st_ctime_ns
    assert quiet_for([one, tmp_path / "missing"], written + 40_000_000) == pytest.approx(0.04)
    os.utime(one.rename(other), ns=(2**61, 2**61))
    renamed = other.stat().st_ctime_ns
    assert renamed >= written
    assert quiet_for([other], renamed + 40_000_000) == pytest.approx(0.04)


@pytest.mark.parametrize("apart", [-40_000_000, 0, int(LATEST_LOOK * 1e9) + 1_000])
def test_a_time_that_may_be_of_another_clock_says_nothing(tmp_path: Path, apart: int) -> None:
    (tmp_path / "one").write_bytes(b"x")
    assert quiet_for([tmp_path / "one"], (tmp_path / "one").stat().st_ctime_ns + apart) == 0
    assert quiet_for([tmp_path / "missing"], apart) == 0


def test_the_directories_of_every_link_on_the_way_are_watched(tmp_path: Path) -> None:
    for name in ("a", "b/c", "d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b" / "c" / "f").touch()
    (tmp_path / "d" / "dir").symlink_to("../b/c")
    (tmp_path / "a" / "f").symlink_to("../d/dir/f")
    found = directories([tmp_path / "a" / "f", tmp_path / "missing" / "f"])
    assert {tmp_path / "a", tmp_path / "d", tmp_path / "b" / "c"} <= set(found)
    assert tmp_path / "missing" not in found


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "deep").symlink_to("deep/deep")
    assert set(directories([tmp_path / "one"])) == {tmp_path}
    assert tmp_path in directories([tmp_path / "deep"])


def test_a_directory_made_again_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    kept = (tmp_path / "a").rename(tmp_path / "kept")
    (tmp_path / "a").mkdir()
    before = directories([tmp_path / "a" / "f"])
    (tmp_path / "a").rmdir()
    kept.rename(tmp_path / "a")
    assert directories([tmp_path / "a" / "f"]) != before


@pytest.mark.needs(MOUNTS)
def test_a_mounted_file_that_the_host_replaced_is_known(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        from reconciler.engine.watch import replaced_by_host
        host, path = here / "host.yaml", here / "mounted.yaml"
        host.write_text("old")
        path.touch()
        mount("--bind", host, path)
        assert not replaced_by_host(path)
        (here / "new").write_text("new")
        (here / "new").rename(host)
        assert replaced_by_host(path) and path.read_text() == "old"
        """,
    )


def test_a_file_that_is_not_there_was_not_replaced_by_the_host(tmp_path: Path) -> None:
    assert not replaced_by_host(tmp_path / "missing")


# Whether a text is believed

GOOD = b"version: 1\nmcpServers:\n  a: {command: x}\n  b: {command: y}\n"
EDITED = GOOD.replace(b"command: y", b"command: z")
LONGER = GOOD + b"  c: {command: z}\n"
SHORTER = GOOD.replace(b"  a: {command: x}\n", b"")
MARKED = b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n" + GOOD


@pytest.mark.parametrize(
    ("now", "why", "at"),
    [
        (b"", "it is empty", (1, 1)),
        (b" \n\t\r\n", "it is empty", (1, 1)),
        (MARKED, "it has conflict markers", (1, 1)),
        (GOOD + MARKED, "it has conflict markers", (5, 1)),
        ((GOOD + MARKED).replace(b"\n", b"\r\n"), "it has conflict markers", (5, 1)),
        (GOOD[:-5], "it ends in line 4 of 4 of what it was, as an unfinished save does", (4, 14)),
        (GOOD.partition(b"  b:")[0], "it ends in line 3 of 4 of what it was, as an unfinished save does", (3, 18)),
        (GOOD[:1], "it ends in line 1 of 4 of what it was, as an unfinished save does", (1, 2)),
    ],
)
@pytest.mark.parametrize("renamed", [False, True])
def test_what_looks_unfinished_is_held_however_long_it_stays(
    now: bytes, why: str, at: tuple[int, int], renamed: bool
) -> None:
    assert judge(GOOD, now, renamed=renamed, quiet=3600.0) == Verdict("hold", why=why, at=at)


def test_the_place_of_a_cut_counts_characters_and_half_of_one_as_one() -> None:
    before = "a: äöü€\n".encode()
    assert judge(before, before[:-2], renamed=False, quiet=0.0).at == (1, 8)
    assert judge(before, before[:-4], renamed=False, quiet=0.0).at == (1, 7)


@pytest.mark.parametrize(
    ("before", "now", "renamed", "settle"),
    [
        (GOOD, EDITED, False, SETTLE_WRITTEN),
        (GOOD, EDITED, True, SETTLE_RENAMED),
        (GOOD, LONGER, False, SETTLE_WRITTEN),
        (GOOD, LONGER, True, SETTLE_RENAMED),
        (GOOD, GOOD, True, SETTLE_RENAMED),
        (b"", GOOD, True, SETTLE_RENAMED),
        (b"", GOOD, False, SETTLE_WRITTEN),
        (GOOD, SHORTER, False, SETTLE_SHRUNK),
        (GOOD, SHORTER, True, SETTLE_SHRUNK),
        (GOOD, GOOD.rstrip(), False, SETTLE_SHRUNK),
        (GOOD, SHORTER[:-3], False, SETTLE_OPEN),
        (GOOD, SHORTER[:-3], True, SETTLE_OPEN),
        (GOOD, b"# >>>>>>> \n" + GOOD, True, SETTLE_RENAMED),
        (GOOD, b">>>>>>> \n" + GOOD, True, SETTLE_RENAMED),
    ],
)
def test_any_other_text_is_believed_once_it_was_quiet_for_long_enough(
    before: bytes, now: bytes, renamed: bool, settle: float
) -> None:
    assert judge(before, now, renamed=renamed, quiet=settle) == Verdict("apply")
    early = judge(before, now, renamed=renamed, quiet=settle / 2)
    assert early.kind == "wait"
    assert early.seconds == pytest.approx(settle / 2)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_beginning_of_what_was_there_is_ever_believed(text: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text) - 1))
    verdict = judge(text, text[:cut], renamed=True, quiet=3600.0)
    assert verdict.kind == "hold" or text[:cut].rstrip() == text.rstrip()


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_a_save_cut_at_any_byte_is_held_or_whole(cut: int) -> None:
    verdict = judge(GOOD, GOOD[:cut], renamed=False, quiet=3600.0)
    assert (verdict.kind == "hold") == (cut < len(GOOD) - 1)
