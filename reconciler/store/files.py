"""Files whole or not at all. Every other module writes through here."""

from __future__ import annotations

import errno
import hashlib
import os
import select
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from reconciler.store.refused import naming

_BUSY = {errno.EBUSY, errno.EXDEV}
_PRIVATE = 0o600
_PIECE = 1 << 20
SILENCE = 5.0
"""Seconds that more is waited for out of a pipe: long enough for a program that writes a configuration."""
NO_FILE = ""
"""In place of the digest of a file that is not there."""


class NotAsRead(Exception):
    """The file is not what was read any more; it stands as somebody else saved it."""


def write_whole(path: Path, text: str | bytes, *, mode: int | None = None, expected: str | None = None) -> None:
    """Replace `path` in one step: temporary file, fsync, rename, fsync of the directory. A link stays a link.

    The mode of an existing file is kept unless `mode` is given (new files: 0600), its owner where we may. A file that
    cannot be renamed over (a single-file bind mount) is written in place, after a copy beside it. `expected` is the
    digest of what is to be replaced, NO_FILE for nothing. Raises NotAsRead, and OSError that names `path`; then the old
    file stands.
    """
    target = Path(os.path.realpath(path))
    data = text.encode("utf-8") if isinstance(text, str) else text
    with naming(path):
        _replace(target, data, mode, expected)


def _replace(target: Path, data: bytes, mode: int | None, expected: str | None) -> None:
    facts = _facts(target)
    temporary = _temporary(target, data, facts, _mode(facts, mode))
    try:
        _check_is(target, expected)
        temporary.replace(target)
    except NotAsRead:
        temporary.unlink()
        raise
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno not in _BUSY:
            raise
        _write_in_place(target, data)
    _sync_directory(target.parent)


def read_at_most(path: Path, size: int) -> bytes:
    """The first `size` bytes. A pipe into which nobody writes is empty, and who has it open and is silent is waited for
    no longer than `SILENCE`. Raises OSError."""
    opened, found = os.open(path, os.O_RDONLY | os.O_NONBLOCK), bytearray()
    try:
        while piece := _next_piece(opened, min(size - len(found), _PIECE)):
            found += piece
        return bytes(found)
    finally:
        os.close(opened)


def _next_piece(opened: int, size: int) -> bytes:
    """Nothing at the end."""
    with suppress(BlockingIOError):
        return os.read(opened, size)
    ready = select.poll()
    ready.register(opened, select.POLLIN)
    if not ready.poll(SILENCE * 1000):
        raise TimeoutError(errno.ETIMEDOUT, "it is a pipe, and nothing comes out of it")
    return os.read(opened, size)


def remove_half_written(path: Path) -> None:
    """Remove what whoever was killed while it wrote `path` whole has left beside it. For files with one writer."""
    for left in path.parent.glob(f".{path.name}.????????"):
        with suppress(OSError):  # it takes room, and does no other harm
            left.unlink()


def write_apart(path: Path, data: bytes) -> None:
    """Put a file for its owner alone (0600) where a person named it, in one step; an old file is replaced.

    For places that others may write to: a link at `path` is never followed, nothing but a file is replaced, and what
    is written is a new file throughout. Raises OSError; then what was there stands. `write_whole` is for our own.
    """
    target = Path(os.path.realpath(path.parent), path.name)
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(target.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is something that is no file", str(path))
    temporary = _temporary(target, data, None, _PRIVATE)
    try:
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _check_is(target: Path, expected: str | None) -> None:
    """As late as can be: what is saved after this look is written over."""
    if expected is not None and _digest(target) != expected:
        raise NotAsRead(str(target))


def _digest(target: Path) -> str:
    try:
        return text_digest(target.read_bytes())
    except FileNotFoundError:
        return NO_FILE


def _facts(target: Path) -> os.stat_result | None:
    try:
        return target.stat()
    except FileNotFoundError:
        return None


def _mode(facts: os.stat_result | None, chosen: int | None) -> int:
    if chosen is not None:
        return chosen
    return facts.st_mode & 0o7777 if facts else _PRIVATE


def _temporary(target: Path, data: bytes, facts: os.stat_result | None, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if facts:
                with suppress(PermissionError):  # only root may give a file away
                    os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _write_in_place(target: Path, data: bytes) -> None:
    """The old bytes stand in a file beside it until the new ones are on the disk, and come back when they cannot be."""
    old = target.read_bytes()
    copy = _temporary(target, old, None, _PRIVATE)
    try:
        _overwrite(target, data)
    except OSError:
        _overwrite(target, old)
        copy.unlink()
        raise
    copy.unlink()


def _overwrite(target: Path, data: bytes) -> None:
    with target.open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def text_digest(data: bytes) -> str:
    """`sha256:` and hex of a file's bytes: what If-Match and the watcher compare."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
