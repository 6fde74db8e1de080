"""What the disk refuses, in words: which place, why, and the way out. And whether it would refuse now."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_MOUNT = "mount it writable, or name another place with --state-dir"
_LIMIT = "the process may open no more files: raise its limit (ulimit -n)"
_WAYS_OUT: Mapping[int, str] = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, or ask for a larger quota",
    errno.EFBIG: "files may not grow so large here: raise the limit (ulimit -f)",
    errno.EROFS: _MOUNT,
    errno.EACCES: "it must belong to the user who runs this",
    errno.EPERM: "it must belong to the user who runs this",
    errno.EMFILE: _LIMIT,
    errno.ENFILE: "the machine has no more open files to give: raise fs.file-max",
    errno.EIO: "the disk fails: its machine's log says more",
}


def way_out(error: OSError) -> str | None:
    """What a person can do about it; None where nothing is known."""
    return _WAYS_OUT.get(error.errno or 0)


def why_not_written(error: OSError) -> str:
    """`/the/file cannot be written: No space left on device; make room there`."""
    out = way_out(error)
    return f"{error.filename or 'the state'} cannot be written: {error.strerror or error}{f'; {out}' if out else ''}"


@contextmanager
def naming(place: Path) -> Iterator[None]:
    """Whatever the disk refuses within is about `place`: the system names no file where a descriptor was written to."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(place), None
        raise


def try_room(directory: Path, size: int) -> None:
    """Write so many bytes into a directory and take them away. Raises OSError where that cannot be done."""
    with naming(directory), tempfile.TemporaryFile(prefix=".room.", dir=directory) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
