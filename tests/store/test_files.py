"""A file is replaced whole or not at all, whatever it is: a link, a bind mount, on a full disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.store import files
from reconciler.store.files import text_digest, write_apart, write_whole
from tests.needs import MOUNTS, ROOT
from tests.requirements import requirement
from tests.store.namespace import run_with_mounts


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "text")
    assert (path.read_text(encoding="utf-8"), mode_of(path)) == ("text", 0o600)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o755, 0o400])
def test_the_mode_of_an_existing_file_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_text("old", encoding="utf-8")
    path.chmod(mode)
    write_whole(path, "new")
    assert (path.read_text(encoding="utf-8"), mode_of(path)) == ("new", mode)


def test_a_chosen_mode_holds_whatever_the_file_had(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    write_whole(path, "new", mode=0o600)
    assert mode_of(path) == 0o600


@pytest.mark.needs(ROOT)
def test_the_owner_of_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.yaml"
    path.write_text("old", encoding="utf-8")
    os.chown(path, 1234, 4321)
    write_whole(path, "new")
    facts = path.stat()
    assert (facts.st_uid, facts.st_gid, path.read_text(encoding="utf-8")) == (1234, 4321, "new")


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_whole(path, bytes(range(256)))
    assert path.read_bytes() == bytes(range(256))


def test_a_line_end_is_not_translated(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.yaml"
    write_whole(path, "a: 1\r\nb: 2\n")
    assert path.read_bytes() == b"a: 1\r\nb: 2\n"


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    real = dotfiles / "real.yaml"
    real.write_text("old", encoding="utf-8")
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.symlink_to("dotfiles/real.yaml")
    second.symlink_to(first)
    write_whole(second, "new")
    assert (real.read_text(encoding="utf-8"), real.is_symlink()) == ("new", False)
    assert (first.readlink(), second.readlink()) == (Path("dotfiles/real.yaml"), first)
    assert names_in(tmp_path) == ["dotfiles", "first.yaml", "second.yaml"]


def test_links_in_a_circle_are_an_error_and_stay(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(one, "text")
    assert names_in(tmp_path) == ["one", "two"]
    assert one.is_symlink() and two.is_symlink()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "kept").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(folder, "text")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "file", "text")
    assert names_in(tmp_path) == ["folder"]
    assert names_in(folder) == ["kept"]


def test_text_that_is_not_unicode_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert names_in(tmp_path) == ["file"]


def test_a_reader_sees_the_old_text_or_the_new_one_and_never_a_mix(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = (b"a" * 300_000, b"b" * 300_000)
    write_whole(path, texts[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            write_whole(path, texts[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(texts)


@pytest.mark.needs(MOUNTS)
def test_a_full_disk_keeps_the_old_text_and_works_again_later(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        mount("-t", "tmpfs", "-o", "size=64k", "none", here)
        path = here / "accepted.json"
        write_whole(path, "old")
        try:
            write_whole(path, "x" * 100_000)
            sys.exit("it fitted")
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        assert path.read_text() == "old" and os.listdir(here) == ["accepted.json"]
        write_whole(path, "new")
        assert path.read_text() == "new"
        """,
    )


@pytest.mark.needs(MOUNTS)
def test_a_disk_without_room_for_another_file_keeps_the_old_text(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        mount("-t", "tmpfs", "-o", "nr_inodes=2", "none", here)  # the directory and one file
        path = here / "accepted.json"
        path.write_text("old")
        try:
            write_whole(path, "new")
            sys.exit("there was room")
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        assert path.read_text() == "old"
        """,
    )


@pytest.mark.needs(MOUNTS)
def test_a_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        host, folder = here / "host.yaml", here / "workspace"
        folder.mkdir()
        host.write_text("a longer old text")
        path = folder / "reconciler.yaml"
        path.touch()
        mount("--bind", host, path)
        inode = path.stat().st_ino
        write_whole(path, "new")
        assert host.read_text() == path.read_text() == "new"
        assert path.stat().st_ino == inode and os.listdir(folder) == ["reconciler.yaml"]
        """,
    )


@pytest.mark.needs(MOUNTS)
def test_a_mounted_file_without_room_for_the_new_text_gets_its_old_one_back(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        small, folder = here / "small", here / "workspace"
        small.mkdir()
        folder.mkdir()
        mount("-t", "tmpfs", "-o", "size=16k", "none", small)
        (small / "host.yaml").write_text("old " * 1000)
        path = folder / "reconciler.yaml"
        path.touch()
        mount("--bind", small / "host.yaml", path)
        (folder / "reconciler.yaml.before").write_text("somebody's own")
        try:
            write_whole(path, "new " * 10_000)
            sys.exit("it fitted")
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        assert path.read_text() == "old " * 1000
        assert sorted(os.listdir(folder)) == ["reconciler.yaml", "reconciler.yaml.before"]
        assert (folder / "reconciler.yaml.before").read_text() == "somebody's own"
        """,
    )


def test_the_digest_is_of_the_bytes() -> None:
    assert text_digest(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@requirement("PAGE-2:on-disk")
@pytest.mark.parametrize("old", [None, 0o644, 0o400])
def test_a_file_apart_is_new_and_for_its_owner_alone(tmp_path: Path, old: int | None) -> None:
    path = tmp_path / "servers.json"
    if old is not None:
        path.write_text("old", encoding="utf-8")
        path.chmod(old)
    other = tmp_path / "other name of the old one"
    if old is not None:
        other.hardlink_to(path)
    write_apart(path, b"new")
    assert (path.read_bytes(), mode_of(path), path.stat().st_nlink) == (b"new", 0o600, 1)
    assert old is None or other.read_text(encoding="utf-8") == "old"


@requirement("PAGE-2:on-disk")
@pytest.mark.parametrize("where", ["there", "nowhere"])
def test_a_file_apart_never_goes_where_a_link_leads(tmp_path: Path, where: str) -> None:
    there = tmp_path / "there"
    there.write_text("theirs", encoding="utf-8")
    path = tmp_path / "servers.json"
    path.symlink_to(tmp_path / where)
    with pytest.raises(FileExistsError, match="no file"):
        write_apart(path, b"new")
    assert path.is_symlink() and there.read_text(encoding="utf-8") == "theirs"
    assert names_in(tmp_path) == ["servers.json", "there"]


@requirement("PAGE-2:on-disk")
def test_a_link_that_appears_meanwhile_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """A thread swaps the target between a file and a link to somebody's file, as fast as it can."""
    theirs, path, spare = tmp_path / "theirs", tmp_path / "servers.json", tmp_path / "spare"
    theirs.write_text("theirs", encoding="utf-8")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            spare.symlink_to(theirs)
            spare.replace(path)
            spare.write_text("old", encoding="utf-8")
            spare.replace(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        written = 0
        for _ in range(300):
            try:
                write_apart(path, b"new")
                written += 1
            except FileExistsError:
                pass
    finally:
        done.set()
        swapper.join()
    assert written > 0 and theirs.read_text(encoding="utf-8") == "theirs" and not theirs.is_symlink()


@requirement("PAGE-2:on-disk")
def test_a_file_apart_replaces_nothing_that_is_no_file(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, tmp_path / "folder" / "..", tmp_path / "folder" / "."):
        with pytest.raises(FileExistsError, match="no file"):
            write_apart(path, b"new")
    with pytest.raises(FileNotFoundError):
        write_apart(tmp_path / "missing" / "servers.json", b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode) and names_in(tmp_path) == ["folder", "pipe"] and names_in(folder) == []


@requirement("PAGE-2:on-disk")
def test_a_folder_that_is_a_link_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_apart(tmp_path / "link" / "servers.json", b"new")
    assert names_in(tmp_path / "real") == ["servers.json"]


def fails_at(call: str, fault: str, path: Path) -> None:
    """Write in a process of its own whose first `call` ends with a fault."""
    code = "import sys; from pathlib import Path; from reconciler.store.files import write_apart\n"
    code += "write_apart(Path(sys.argv[1]), b'new' * 9000)"
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when=1"]
    done = subprocess.run(
        [*words, sys.executable, "-B", "-c", code, str(path)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode != 0, f"no {call} failed"


@requirement("PAGE-2:on-disk")
@pytest.mark.needs("strace")
@pytest.mark.parametrize("call", ["write", "fchmod", "fsync", "rename"])
@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO"])
def test_a_file_apart_that_cannot_be_written_leaves_the_old_one_alone(tmp_path: Path, call: str, fault: str) -> None:
    path = tmp_path / "servers.json"
    path.write_text("old", encoding="utf-8")
    fails_at(call, fault, path)
    assert path.read_text(encoding="utf-8") == "old" and names_in(tmp_path) == ["servers.json"]


@requirement("PAGE-2:on-disk")
@pytest.mark.needs("strace")
@pytest.mark.parametrize("call", ["write", "fchmod", "fsync", "rename"])
def test_whoever_is_killed_while_writing_a_file_apart_leaves_the_old_one_or_the_new(tmp_path: Path, call: str) -> None:
    path = tmp_path / "servers.json"
    path.write_text("old", encoding="utf-8")
    fails_at(call, "signal=KILL", path)
    assert path.read_bytes() in (b"old", b"new" * 9000)
    assert all(mode_of(left) == 0o600 for left in tmp_path.iterdir() if left != path)


@requirement("PAGE-2:on-disk")
@pytest.mark.needs(MOUNTS)
def test_a_full_disk_keeps_the_old_file_apart(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        from reconciler.store.files import write_apart
        mount("-t", "tmpfs", "-o", "size=64k", "none", here)
        path = here / "servers.json"
        write_apart(path, b"old")
        try:
            write_apart(path, b"x" * 100_000)
            sys.exit("it fitted")
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        assert path.read_text() == "old" and os.listdir(here) == ["servers.json"]
        """,
    )


@requirement("APPLY-3:broken-edit")
def test_a_pipe_is_read_to_its_end_and_a_silent_one_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, text = tmp_path / "pipe", b"more than a pipe holds\n" * 10_000
    os.mkfifo(pipe)
    assert files.read_at_most(pipe, 10) == b"", "nobody writes"

    def write() -> None:
        with os.fdopen(written, "wb") as file:
            file.write(text)

    written = os.open(pipe, os.O_RDWR)
    writer = threading.Thread(target=write)
    writer.start()
    assert files.read_at_most(pipe, len(text) + 1) == text
    writer.join()
    silent = os.open(pipe, os.O_RDWR)
    monkeypatch.setattr(files, "SILENCE", 0.01)
    try:
        os.write(silent, b"abc")
        assert files.read_at_most(pipe, 2) == b"ab"
        with pytest.raises(TimeoutError, match="nothing comes out of it"):
            files.read_at_most(pipe, 10)
    finally:
        os.close(silent)
