"""Where the files of a project are: found, and in the order they overlay. Nothing is read here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.rules_names import RESERVED_PROJECTS
from reconciler.store.standing import standing

FILE_NAME = "reconciler.yaml"


@dataclass(frozen=True, slots=True)
class Sources:
    """The main file and its overlays, in the order they merge. `shown` is how people know a path.

    `local` is false where the git-ignored overlay beside the main file is to be left out.
    """

    main: Path
    overlays: tuple[Path, ...] = ()
    root: Path = Path()
    local: bool = True

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file in merge order; the overlay beside the main file only when it is there."""
        own = self.own
        return (self.main, *([own] if own is not None and os.path.lexists(own) else []), *self.overlays)

    @property
    def possible(self) -> tuple[Path, ...]:
        """Every file in merge order, the overlay beside the main file whether it is there or not."""
        return (self.main, *([self.own] if self.own is not None else []), *self.overlays)

    @property
    def own(self) -> Path | None:
        """The git-ignored overlay beside the main file, whether it is there or not; None where it is left out."""
        return local_overlay(self.main) if self.local else None

    @property
    def project(self) -> str:
        """The name of a project whose file names none: the part before .reconciler.yaml, else the directory's."""
        before = self.main.name.removesuffix(f".{FILE_NAME}")
        named = before if before not in ("", self.main.name) else self.folder.name
        return _as_name(named)

    @property
    def folder(self) -> Path:
        """The directory that the main file stands in: servers run there, and relative paths begin there."""
        return standing(self.main).parent

    @property
    def lock(self) -> Path:
        """The lock file beside the main file: `<stem>.lock`."""
        return self.main.with_suffix(".lock")

    def shown(self, path: Path) -> str:
        """`path` relative to where the command was given, when it lies there."""
        try:
            return str(path.absolute().relative_to(self.root.absolute()))
        except ValueError:
            return str(path)


def apart(projects: Iterable[Sources]) -> list[Sources]:
    """One for each main file: where it stands, else the first link to it; its overlay and lock lie beside that."""
    found: dict[Path, Sources] = {}
    for one in projects:
        there = standing(one.main)
        if there not in found or not one.main.is_symlink():
            found[there] = one
    return list(found.values())


def find_file(start: Path, home: Path | None) -> Path | None:
    """The configuration that holds in `start`: upwards to the root of the git checkout, then the user-wide one."""
    for directory in (start, *start.parents):
        if os.path.isfile(directory / FILE_NAME):  # noqa: PTH113 a folder that we may not enter is no error here
            return directory / FILE_NAME
        if os.path.lexists(directory / ".git"):
            break
    wide = user_wide(home) if home is not None else None
    return wide if wide is not None and os.path.isfile(wide) else None  # noqa: PTH113


def user_wide(home: Path) -> Path:
    """The configuration that holds where there is no other, whether it exists or not."""
    return home / ".config" / "reconciler" / FILE_NAME


def local_overlay(main: Path) -> Path:
    """The git-ignored overlay of `main`: `reconciler.local.yaml` for `reconciler.yaml`."""
    return main.with_name(f"{main.stem}.local{main.suffix}")


def _as_name(text: str) -> str:
    """A directory's name as a project name: only what the grammar of ids allows, and no word of our own addresses."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text).strip("-._")
    while "__" in kept:
        kept = kept.replace("__", "_")
    name = kept[:63].strip("-._") or "default"
    return f"{name}-project" if name.lower() in RESERVED_PROJECTS else name


def all_paths(sources: Sequence[Sources]) -> list[Path]:
    """Every file that any of `sources` reads or would read when it appears."""
    return [path for one in sources for path in (one.main, local_overlay(one.main), *one.overlays, one.lock)]
