"""One directory of state per project: where it is, its lock, its key, its socket."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from reconciler.model.document import hidden
from reconciler.model.secret import HIDDEN, Fingerprint
from reconciler.store.files import write_whole

_LONGEST_SOCKET = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


class StateBusy(Exception):
    """Another engine holds this project; `holder` is its pid when it is known."""

    def __init__(self, path: Path, holder: int | None) -> None:
        super().__init__(f"{path} is held by {f'process {holder}' if holder else 'another process'}")
        self.path = path
        self.holder = holder


@dataclass(frozen=True, slots=True)
class StateDir:
    """The directory of one project. It may not exist yet; `ensure` makes it."""

    path: Path

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
    def key_file(self) -> Path:
        return self.path / "key"

    @property
    def engine_file(self) -> Path:
        """`{"pid", "startedAt", "socket", "version", "project"}` of the engine that holds it."""
        return self.path / "engine.json"

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
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/reconciler-{os.getuid()}"
        return Path(runtime) / f"reconciler-{short}.sock"

    def ensure(self) -> None:
        """Make the directory, for its owner alone."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        self.server_logs.mkdir(exist_ok=True, mode=0o700)
        self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def key(self) -> bytes | None:
        """The project's 32-byte key, None before the first apply."""
        try:
            return self.key_file.read_bytes()
        except FileNotFoundError:
            return None

    def ensure_key(self) -> bytes:
        """The key, made when there is none."""
        existing = self.key()
        if existing is not None:
            return existing
        write_whole(self.key_file, secrets.token_bytes(32), mode=0o600)
        return self.key_file.read_bytes()

    def engine(self) -> Mapping[str, Any] | None:
        """What the last engine wrote about itself; it may be gone."""
        try:
            facts: Mapping[str, Any] = json.loads(self.engine_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return facts

    def hold(self) -> int:
        """Take the lock that one engine holds; the kernel frees it when the process ends. Raises StateBusy."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            engine = self.engine()
            raise StateBusy(self.path, engine["pid"] if engine else None) from None
        return descriptor


def base_directory(chosen: Path | None) -> Path:
    """`--state-dir` (or RECONCILER_STATE_DIR, already folded in by the caller), else this user's state directory."""
    return chosen or Path(platformdirs.user_state_dir("reconciler"))


def state_dir_of(main: Path, project: str, base: Path) -> StateDir:
    """The state of the project in `main`: `<project>-<12 hex of the file's real path>`.

    A project that changed its name keeps the directory it had: the path decides, the name is for people.
    """
    mark = hashlib.sha256(os.fsencode(main.resolve())).hexdigest()[:12]
    if base.is_dir():
        for entry in base.iterdir():
            if entry.name.endswith(f"-{mark}"):
                return StateDir(entry)
    return StateDir(base / f"{project}-{mark}")


def fingerprint(key: bytes | None) -> Fingerprint:
    """What stands for a literal secret in digests: `***` alone without a key, else with 12 hex of HMAC-SHA-256."""
    if key is None:
        return hidden

    def keyed(text: str) -> str:
        return f"{HIDDEN}hmac:{hmac.new(key, text.encode('utf-8'), hashlib.sha256).hexdigest()[:12]}"

    return keyed
