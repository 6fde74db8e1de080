"""One directory of state per project: where it is, its lock, its key, its socket."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import socket
import stat
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from reconciler.model.document import hidden
from reconciler.model.secret import HIDDEN, Fingerprint
from reconciler.store.files import remove_half_written, write_whole
from reconciler.store.home import NoHome, user_state
from reconciler.store.known_as import USED_FOR, directories_of, free_mark, remember, used_for

_LONGEST_SOCKET = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
_KEY_BYTES = 32


class StateBusy(Exception):
    """Another engine holds this project; `holder` is its pid when it is known."""

    def __init__(self, path: Path, holder: int | None) -> None:
        super().__init__(f"{path} is held by {f'process {holder}' if holder else 'another process'}")
        self.path = path
        self.holder = holder


@dataclass(frozen=True, slots=True)
class StateDir:
    """The directory of one project. It may not exist yet; `ensure` makes it. `main` is the file that it is used for."""

    path: Path
    main: Path | None = field(default=None, compare=False)

    @property
    def accepted(self) -> Path:
        return self.path / "accepted.json"

    @property
    def observed(self) -> Path:
        return self.path / "observed.json"

    @property
    def records(self) -> Path:
        return self.path / "records.db"

    @property
    def always(self) -> Path:
        return self.path / "always.json"

    @property
    def key_file(self) -> Path:
        return self.path / "key"

    @property
    def engine_file(self) -> Path:
        """`{"pid", "startedAt", "socket", "url", "version", "project"}` of the engine that holds it."""
        return self.path / "engine.json"

    @property
    def tokens(self) -> Path:
        """Every token of the project, as digests."""
        return self.path / "tokens.json"

    @property
    def vault(self) -> Path:
        """The stored secrets of the project, sealed."""
        return self.path / "vault.json"

    @property
    def local_tokens(self) -> Path:
        """The texts of the two tokens made at first start, by role."""
        return self.path / "local-tokens.json"

    @property
    def port_file(self) -> Path:
        """The port that this project listened on when the default was taken."""
        return self.path / "port"

    @property
    def link_page(self) -> Path:
        """Leads a browser on to a link that lets it in; it goes when the link was used."""
        return self.path / "open.html"

    @property
    def log(self) -> Path:
        return self.path / "engine.log"

    @property
    def server_logs(self) -> Path:
        return self.path / "logs"

    @property
    def socket(self) -> Path:
        """The engine's local socket; in the runtime directory when the path here would be too long."""
        here = self.path / "engine.sock"
        if len(os.fsencode(here)) <= _LONGEST_SOCKET:
            return here
        short = hashlib.sha256(os.fsencode(self.path.absolute())).hexdigest()[:16]
        return _runtime_directory() / f"reconciler-{short}.sock"

    def ensure(self) -> None:
        """Make the directory, for its owner alone. Raises OSError, also when somebody else made the socket's first."""
        for directory in (self.path.parent, self.path, self.server_logs, self.socket.parent):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.socket.parent != self.path and not _is_ours(self.socket.parent):
            raise PermissionError(errno.EPERM, "belongs to somebody else", str(self.socket.parent))
        for directory in (self.path, self.server_logs, self.socket.parent):
            directory.chmod(0o700)
        if used_for(self.path) is None:
            self.remember()

    def remember(self) -> None:
        """From now on this is the state of the path of the file, wherever that leads. For whoever holds the lock, and
        for the first who makes the directory."""
        if self.main is not None:
            remember(self.path, self.main)

    def key(self) -> bytes | None:
        """The project's 32-byte key, None before the first apply. A damaged key is none: it opens nothing."""
        try:
            key = self.key_file.read_bytes()
        except FileNotFoundError:
            return None
        return key if len(key) == _KEY_BYTES else None

    def ensure_key(self) -> bytes:
        """The key, made when there is none."""
        existing = self.key()
        if existing is not None:
            return existing
        made = secrets.token_bytes(_KEY_BYTES)
        write_whole(self.key_file, made, mode=0o600)
        return made

    def engine(self) -> Mapping[str, Any] | None:
        """What the last engine wrote about itself; it may be gone."""
        try:
            facts = json.loads(self.engine_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return facts if isinstance(facts, dict) else None

    def answers(self) -> bool:
        """Whether somebody listens where the last engine said that it does."""
        there = (self.engine() or {}).get("socket")
        if not isinstance(there, str):
            return False
        with closing(socket.socket(socket.AF_UNIX)) as tried, suppress(OSError, ValueError):  # no path of a socket
            tried.setblocking(False)
            return tried.connect_ex(there) in (0, errno.EAGAIN)  # EAGAIN: too many wait for it to accept
        return False

    def hold(self) -> int:
        """Take the lock that one engine holds; the kernel frees it when the process ends. Raises StateBusy.

        The file says who holds it, from the moment it is held: what an engine wrote about itself may be older. It
        says nothing where the disk has no room.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0)
            os.close(descriptor)
            raise StateBusy(self.path, int(holder) if holder.isdigit() else None) from None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def sweep(self) -> None:
        """Remove what a killed engine left half-written. For whoever holds the lock: others write the other files."""
        written = (self.accepted, self.observed, self.always, self.engine_file, self.port_file, self.key_file)
        for path in (*written, self.path / USED_FOR):
            remove_half_written(path)

    def release(self, descriptor: int) -> None:
        """Give back what `hold` took."""
        os.close(descriptor)


def _runtime_directory() -> Path:
    """Where short-lived files go: what the system made for this user, else a directory of ours for temporary ones."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    return Path(given) if given and _is_ours(Path(given)) else Path(f"/tmp/reconciler-{os.getuid()}")


def _is_ours(directory: Path) -> bool:
    with suppress(OSError):
        facts = directory.lstat()
        return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
    return False


def base_directory(chosen: Path | None) -> Path:
    """`--state-dir` (or RECONCILER_STATE_DIR, already folded in by the caller), else this user's state directory.

    Raises NoHome.
    """
    base = chosen or user_state()
    if base is None:
        raise NoHome
    return base


def state_dir_of(main: Path, project: str, base: Path) -> StateDir:
    """The state of the project in `main`: `<project>-<12 hex of where the file stands>`.

    A project that changed its name keeps the directory it had: the path decides, the name is for people. So does one
    whose file was replaced by a link to it, or the link by it, and one whose directory was made when links that a host
    swaps were followed. Where that leaves several, it is the one that an engine holds for the path that is named.
    """
    found = [StateDir(path, main) for path in directories_of(main, base)]
    if not found:
        return StateDir(base / f"{project}-{free_mark(main, base)}", main)
    held = [state for state in reversed(found) if state.answers()] if len(found) > 1 else []
    return (held or found)[0]


@lru_cache(1024)  # of one engine: one for each project of a directory
def fingerprint(key: bytes | None) -> Fingerprint:
    """What stands for a literal secret in digests: `***` alone without a key, else with 12 hex of HMAC-SHA-256.

    One for each key, since what was hidden by it is remembered under it.
    """
    if key is None:
        return hidden

    def keyed(text: str) -> str:
        return f"{HIDDEN}hmac:{hmac.new(key, text.encode('utf-8'), hashlib.sha256).hexdigest()[:12]}"

    return keyed
