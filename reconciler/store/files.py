"""Files whole or not at all. Every other module writes through here."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path

_BUSY = {errno.EBUSY, errno.EXDEV}


def write_whole(path: Path, text: str | bytes, *, mode: int | None = None) -> None:
    """Replace `path` in one step: temporary file, fsync, rename, fsync of the directory.

    The mode of an existing file is kept unless `mode` is given (new files: 0600). A file that cannot be renamed over
    (a single-file bind mount) is written in place, after a copy beside it. Raises OSError; then the old file stands.
    """
    target = path.resolve()
    data = text.encode("utf-8") if isinstance(text, str) else text
    temporary = _temporary(target, data, _mode(target, mode))
    try:
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno not in _BUSY:
            raise
        _write_in_place(target, data)
    _sync_directory(target.parent)


def _mode(target: Path, mode: int | None) -> int:
    if mode is not None:
        return mode
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        return 0o600


def _temporary(target: Path, data: bytes, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _write_in_place(target: Path, data: bytes) -> None:
    backup = target.with_name(f"{target.name}.before")
    backup.write_bytes(target.read_bytes())
    with target.open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    backup.unlink()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def text_digest(data: bytes) -> str:
    """`sha256:` and hex of a file's bytes: what If-Match and the watcher compare."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
