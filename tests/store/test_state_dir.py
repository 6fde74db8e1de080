"""One directory per project, for its owner alone: where it is, who holds it, its key and its socket."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.model.document import hidden
from reconciler.store import state_dir
from reconciler.store.state_dir import StateBusy, StateDir, base_directory, fingerprint, state_dir_of
from tests.needs import ROOT
from tests.requirements import requirement

CHECKOUT = Path(__file__).parents[2]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "acme-0123456789ab")
    made.ensure()
    return made


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# Where


def test_the_directory_is_named_after_the_project_and_the_real_path_of_its_file(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    mark = hashlib.sha256(os.fsencode(os.path.realpath(main))).hexdigest()[:12]
    assert state_dir_of(main, "acme", tmp_path / "base").path == tmp_path / "base" / f"acme-{mark}"


def test_two_ways_to_the_same_file_share_a_directory_and_two_files_do_not(tmp_path: Path) -> None:
    main, link = tmp_path / "reconciler.yaml", tmp_path / "link.yaml"
    main.touch()
    link.symlink_to(main)
    assert state_dir_of(main, "acme", tmp_path) == state_dir_of(link, "acme", tmp_path)
    assert state_dir_of(main, "acme", tmp_path) != state_dir_of(tmp_path / "other.yaml", "acme", tmp_path)


def test_a_project_that_changed_its_name_keeps_its_directory(tmp_path: Path) -> None:
    main, base = tmp_path / "reconciler.yaml", tmp_path / "base"
    first = state_dir_of(main, "before", base)
    first.ensure()
    assert state_dir_of(main, "after", base) == first


def test_only_a_directory_is_taken_for_one(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    expected = state_dir_of(main, "acme", tmp_path)
    (tmp_path / f"0-{expected.path.name.rpartition('-')[2]}").touch()
    assert state_dir_of(main, "acme", tmp_path) == expected


def test_links_in_a_circle_have_a_directory_too(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    main.symlink_to(main.name)
    assert state_dir_of(main, "acme", tmp_path).path.parent == tmp_path


def test_a_chosen_base_wins(tmp_path: Path) -> None:
    assert base_directory(tmp_path) == tmp_path
    assert base_directory(None).name == "reconciler"


# For its owner alone


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_directories_and_files_are_for_their_owner_alone_under_every_umask(tmp_path: Path, mask: int) -> None:
    state = StateDir(tmp_path / "base" / "acme-1")
    with umask(mask):
        state.ensure()
        state.ensure_key()
        state.release(state.hold())
    assert [mode_of(state.path), mode_of(state.server_logs)] == [0o700, 0o700]
    assert [mode_of(state.key_file), mode_of(state.path / "lock")] == [0o600, 0o600]


def test_a_directory_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "acme-1")
    state.path.mkdir(mode=0o755)
    state.ensure()
    assert mode_of(state.path) == 0o700


# The lock


def test_who_holds_the_lock_is_named(state: StateDir) -> None:
    held = state.hold()
    with pytest.raises(StateBusy, match=rf"held by process {os.getpid()}$") as busy:
        state.hold()
    assert busy.value.holder == os.getpid()
    state.release(held)
    state.release(state.hold())


def test_the_holder_is_who_holds_it_now_and_not_who_wrote_about_itself_before(state: StateDir) -> None:
    state.engine_file.write_text(json.dumps({"pid": 1}), encoding="utf-8")
    (state.path / "lock").write_text("99999999999", encoding="ascii")
    held = state.hold()
    with pytest.raises(StateBusy) as busy:
        state.hold()
    state.release(held)
    assert busy.value.holder == os.getpid()


def test_a_holder_that_has_not_said_its_name_is_another_process(state: StateDir) -> None:
    held = state.hold()
    os.ftruncate(held, 0)
    with pytest.raises(StateBusy, match=r"held by another process$") as busy:
        state.hold()
    state.release(held)
    assert busy.value.holder is None


def test_a_killed_holder_holds_nothing(state: StateDir) -> None:
    code = (
        "import sys; from pathlib import Path; from reconciler.store.state_dir import StateDir\n"
        "StateDir(Path(sys.argv[1])).hold(); print('held', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(state.path)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(StateBusy) as busy:
            state.hold()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert busy.value.holder == holder.pid
    state.release(state.hold())


def test_a_child_does_not_inherit_the_lock(state: StateDir) -> None:
    held = state.hold()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        state.release(held)
        state.release(state.hold())
        child.communicate()


@requirement("APPLY-1:kills")
def test_what_a_killed_engine_left_half_written_is_removed_and_nothing_else(state: StateDir) -> None:
    half = [state.path / f".{name}.ab_12xyz" for name in ("accepted.json", "observed.json", "engine.json", "key")]
    others = [state.path / name for name in (".vault.json.ab_12xyz", "accepted.json", ".accepted.json", "records.db")]
    for path in (*half, *others):
        path.touch()
    state.sweep()
    assert [path.exists() for path in (*half, *others)] == [False] * 4 + [True] * 4


# The key


def test_there_is_no_key_before_the_first_apply_and_then_always_the_same(state: StateDir) -> None:
    assert state.key() is None
    made = state.ensure_key()
    assert len(made) == 32
    assert state.ensure_key() == made == state.key()


@pytest.mark.parametrize("damaged", [b"", b"x" * 31, b"x" * 33, b"x" * 16])
def test_a_damaged_key_is_none_and_is_replaced(state: StateDir, damaged: bytes) -> None:
    state.key_file.write_bytes(damaged)
    assert state.key() is None
    assert state.ensure_key() == state.key() == state.key_file.read_bytes()


def test_a_fingerprint_says_equal_or_not_and_nothing_else() -> None:
    one, other = fingerprint(b"1" * 32), fingerprint(b"2" * 32)
    assert one("secret") == one("secret") != one("secreu")
    assert one("secret") != other("secret")
    assert one("secret").startswith("***hmac:") and len(one("secret")) == len("***hmac:") + 12
    assert fingerprint(None) is hidden


def test_each_of_many_projects_keeps_its_fingerprint() -> None:
    keys = [bytes([number]) * 32 for number in range(100)]
    before = [fingerprint(key) for key in keys]
    assert all(fingerprint(key) is one for key, one in zip(keys, before, strict=True))


# The engine's own words


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "\ud800"])
def test_what_is_no_object_says_nothing_about_an_engine(state: StateDir, text: str) -> None:
    state.engine_file.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert state.engine() is None


def test_an_engine_that_never_was_is_none(state: StateDir) -> None:
    assert state.engine() is None
    state.engine_file.write_text('{"pid": 7}', encoding="utf-8")
    assert state.engine() == {"pid": 7}
    assert StateDir(state.engine_file / "below").engine() is None


@pytest.mark.parametrize("there", ["/nowhere", "x" * 200, "a\0b", "", 7, None])
def test_an_engine_that_is_gone_does_not_answer(state: StateDir, there: object) -> None:
    assert not state.answers()
    state.engine_file.write_text(json.dumps({"socket": there}), encoding="utf-8")
    assert not state.answers()


def test_an_engine_that_is_too_busy_to_accept_answers(state: StateDir) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(state.socket))
        listener.listen(0)
        state.engine_file.write_text(json.dumps({"socket": os.fspath(state.socket)}), encoding="utf-8")
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(os.fspath(state.socket))
            assert state.answers()
    assert not state.answers()


# The socket


def bind(state: StateDir) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(state.socket))
    state.socket.unlink()


def test_the_socket_is_in_the_directory(state: StateDir) -> None:
    short = StateDir(Path("/tmp/acme-1"))
    assert short.socket == Path("/tmp/acme-1/engine.sock")
    if state.socket.parent == state.path:  # else the machine's temporary directory has a long name
        bind(state)


def long_state(folder: Path) -> StateDir:
    return StateDir(folder / ("long" * 30) / "acme-1")


def test_a_long_path_puts_the_socket_into_the_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state, other = long_state(tmp_path), StateDir(long_state(tmp_path).path.with_name("acme-2"))
    assert state.socket.parent == tmp_path
    assert state.socket != other.socket
    state.ensure()
    bind(state)


@pytest.mark.parametrize("given", [None, "missing"])
def test_without_a_runtime_directory_it_is_one_of_ours_for_us_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    if given:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / given))
    state = long_state(tmp_path)
    assert state.socket.parent == Path(f"/tmp/reconciler-{os.getuid()}")
    state.ensure()
    assert mode_of(state.socket.parent) == 0o700
    bind(state)


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that `_runtime_directory` falls back to, made by somebody else before us."""
    directory = tmp_path / "runtime"
    directory.mkdir()
    os.chown(directory, 1234, 1234)
    monkeypatch.setattr(state_dir, "_runtime_directory", lambda: directory)
    return directory


@pytest.mark.needs(ROOT)
def test_a_socket_directory_that_somebody_else_made_first_is_refused(tmp_path: Path, foreign: Path) -> None:
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        long_state(tmp_path).ensure()
    assert foreign.stat().st_uid == 1234


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setattr(state_dir, "_runtime_directory", lambda: tmp_path / "link")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        long_state(tmp_path).ensure()


@pytest.mark.needs(ROOT)
def test_a_runtime_directory_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(tmp_path, 1234, 1234)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert long_state(tmp_path).socket.parent == Path("/tmp/reconciler-0")
