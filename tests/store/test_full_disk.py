"""A disk without room, or read-only, is named with the way out; what could be put off is written when there is room."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reconciler.store.files import write_whole
from reconciler.store.refused import naming, try_room, way_out, why_not_written
from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.store.namespace import run_with_mounts

pytestmark = requirement("APPLY-1:full-disk")


@pytest.mark.needs(MOUNTS)
def test_what_happened_on_a_full_disk_is_recorded_when_there_is_room(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        import asyncio, sqlite3
        from contextlib import suppress
        from reconciler.store.database import Refused
        from reconciler.store.records import Records

        mount("-t", "tmpfs", "-o", "size=256k", "none", here)
        path = here / "records.db"
        end = {"server": "a", "instance": "ins-1", "at": "now", "code": 1, "reason": "died", "stderr": ["x"]}
        row = {"serial": 1, "at": "now", "who": "me", "plan": "pln-1", "result": "applied", "summary": {}}

        async def refuses(work):
            try:
                await work
                sys.exit("it fitted")
            except Refused as error:
                assert isinstance(error, OSError) and isinstance(error, sqlite3.Error)
                assert (error.errno, error.filename) == (errno.ENOSPC, str(path)), error

        async def main():
            records = Records(path)
            await records.open("now")
            await records.add_event("now", "first", None, "there was room", "now")
            full = here / "full"
            with suppress(OSError), full.open("wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
            for number in range(100):  # the last page has some room
                try:
                    await records.add_event("now", "fits", None, str(number) * 3000, "now")
                except Refused:
                    break
            await refuses(records.add_event("now", "down", "a", "died", "now"))
            await refuses(records.add_exit(end))
            await refuses(records.add_history(row, {}))
            await refuses(records.consume("digest", "now"))
            assert (await records.events(0, 10, None))[0]["message"] == "there was room"
            for _ in range(2):  # what could not be written is there for whoever asks
                assert (await records.events(0, 1, None))[0]["kind"] == "down"
                assert (await records.exits("a"))[0]["reason"] == "died"
                assert [each["plan"] for each in await records.history()] == ["pln-1"]
            full.unlink()
            assert (await records.add_event("now", "after", None, "there is room", "now")).times == 1
            assert [each["kind"] for each in await records.events(0, 2, None)] == ["down", "after"]
            assert (await records.exits("a"))[0]["reason"] == "died"
            assert [each["plan"] for each in await records.history()] == ["pln-1"]
            assert await records.consumed() == set()
            await records.close()

        asyncio.run(main())
        """,
    )


@pytest.mark.needs(MOUNTS)
def test_a_state_on_a_full_or_read_only_disk_is_refused_by_name(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        import asyncio
        from reconciler.store.database import Refused
        from reconciler.store.records import Records
        from reconciler.store.state_dir import StateDir, StateBusy

        mount("-t", "tmpfs", "-o", "size=4k", "none", here)
        (here / "full").write_bytes(b"x" * 4096)
        state = StateDir(here)

        def opening(path, wanted):
            try:
                asyncio.run(Records(path).open("now"))
                sys.exit("it opened")
            except Refused as error:
                assert (error.errno, error.filename) == (wanted, str(path)), error

        opening(here / "records.db", errno.ENOSPC)
        (here / "lock").unlink(missing_ok=True)
        held = state.hold()  # whoever holds it cannot say so, and holds it
        try:
            state.hold()
            sys.exit("two hold it")
        except StateBusy as busy:
            assert busy.holder is None, busy
        try:
            state.ensure_key()
            sys.exit("it fitted")
        except OSError as error:
            assert (error.errno, error.filename) == (errno.ENOSPC, str(state.key_file)), error
        state.release(held)
        mount("-o", "remount,ro", here)
        opening(here / "others.db", errno.EROFS)
        """,
    )


def test_whatever_cannot_be_written_is_named_and_a_way_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place, number in (
        (tmp_path / "folder", errno.EISDIR),
        (tmp_path / "none" / "file", errno.ENOENT),
    ):
        with pytest.raises(OSError, match=str(place)) as told:
            write_whole(place, "text")
        assert (told.value.errno, told.value.filename, told.value.filename2) == (number, str(place), None)
    full = OSError(errno.ENOSPC, "No space left on device")
    assert why_not_written(full) == "the state cannot be written: No space left on device; make room there"
    assert why_not_written(OSError("odd")) == "the state cannot be written: odd"
    assert "--state-dir" in str(way_out(OSError(errno.EROFS, "")))
    with pytest.raises(OSError, match="/s"), naming(Path("/s")):
        raise full
    assert why_not_written(full).startswith("/s cannot be written: ")


def test_room_is_tried_without_a_trace(tmp_path: Path) -> None:
    try_room(tmp_path, 10_000)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="none"):
        try_room(tmp_path / "none", 1)
