"""The directory whose files an engine hosts: new files of projects are written here, and files are taken away."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.rules_names import ID, RESERVED_PROJECTS, SEPARATOR
from reconciler.engine.follow import AutoApprove
from reconciler.store.files import write_whole
from reconciler.store.sources import FILE_NAME, Sources, local_overlay

_FIRST_TEXT = "version: 1\nproject: {name}\ndefaults:\n  requireApproval: writes\nmcpServers: {{}}\n"
_MODE = 0o644


class FolderRefused(Exception):
    """No file was written or taken away. `code` is no-folder, bad-name, exists, unknown, root, overlaid or read-only;
    the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Folder:
    """`base` is where states are kept; the rest is how a new file is followed."""

    path: Path
    base: Path
    auto_approve: AutoApprove = "no"
    poll: bool = False

    def files(self) -> list[Path]:
        """Every main file that is here now."""
        named = [self.path / FILE_NAME, *sorted(self.path.glob(f"*.{FILE_NAME}"))]
        return [path for path in named if path.is_file()]

    def sources(self, path: Path) -> Sources:
        """The project of a main file of ours."""
        return Sources(path, (), self.path)

    def write(self, name: str, taken: Collection[str]) -> Path:
        """Write the file of a new project. `taken` are the names that there are. Raises FolderRefused."""
        if not ID.fullmatch(name) or SEPARATOR in name or name.lower() in RESERVED_PROJECTS:
            raise FolderRefused("bad-name", f'no project can be called "{name[:63]}"')
        path = self.path / f"{name}.{FILE_NAME}"
        if name.lower() in {other.lower() for other in taken} or os.path.lexists(path):
            raise FolderRefused("exists", f'there is a project "{name}", or a file of that name')
        try:
            write_whole(path, _FIRST_TEXT.format(name=name), mode=_MODE)
        except OSError as error:
            raise FolderRefused("read-only", f"{path} cannot be written: {error.strerror or error}") from error
        return path

    def delete(self, sources: Sources) -> None:
        """Take the file of a project away, and its lock. Raises FolderRefused."""
        main = sources.main
        if main.parent.absolute() != self.path.absolute() or sources.overlays:
            raise FolderRefused("no-folder", f"{sources.shown(main)} is not of the directory that is hosted")
        if os.path.lexists(local_overlay(main)):
            name = sources.shown(local_overlay(main))
            raise FolderRefused("overlaid", f"{name} stands beside it, and is not ours to take away: delete it first")
        if main.is_symlink() or not (os.access(main, os.W_OK) and os.access(self.path, os.W_OK | os.X_OK)):
            raise FolderRefused("read-only", f"{sources.shown(main)} cannot be taken away from here")
        try:
            main.unlink()
        except OSError as error:
            message = f"{sources.shown(main)} cannot be taken away: {error.strerror or error}"
            raise FolderRefused("read-only", message) from error
        with suppress(OSError):
            sources.lock.unlink()
