"""The files a project is read from: found, overlaid, read as text. Reading them never changes anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.codes import problem
from reconciler.config.events import MAX_BYTES
from reconciler.config.read import Reading, Source, read
from reconciler.config.rules_names import RESERVED_PROJECTS
from reconciler.problems import Place, Problem
from reconciler.store.files import text_digest

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
        local = local_overlay(self.main)
        return (self.main, *([local] if self.local and os.path.lexists(local) else []), *self.overlays)

    @property
    def project(self) -> str:
        """The name of a project whose file names none: the part before .reconciler.yaml, else the directory's."""
        before = self.main.name.removesuffix(f".{FILE_NAME}")
        named = before if before not in ("", self.main.name) else Path(os.path.realpath(self.main)).parent.name
        return _as_name(named)

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The texts of one moment with what they say."""

    reading: Reading
    texts: dict[str, str]
    digests: tuple[tuple[str, str], ...]
    """Shown path and digest of every file that was read."""


def find_file(start: Path, home: Path) -> Path | None:
    """The configuration that holds in `start`: upwards to the root of the git checkout, then the user-wide one."""
    for directory in (start, *start.parents):
        if os.path.isfile(directory / FILE_NAME):  # noqa: PTH113 a folder that we may not enter is no error here
            return directory / FILE_NAME
        if os.path.lexists(directory / ".git"):
            break
    wide = home / ".config" / "reconciler" / FILE_NAME
    return wide if os.path.isfile(wide) else None  # noqa: PTH113


def local_overlay(main: Path) -> Path:
    """The git-ignored overlay of `main`: `reconciler.local.yaml` for `reconciler.yaml`."""
    return main.with_name(f"{main.stem}.local{main.suffix}")


def read_sources(sources: Sources, *, strict: bool = False) -> Snapshot:
    """Read every file and what they say together. A file that cannot be read is a Problem, never an exception."""
    texts: dict[str, str] = {}
    digests: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for path in sources.paths:
        shown = sources.shown(path)
        text = _read_text(path, shown, problems)
        if text is not None:
            texts[shown] = text[0]
            digests.append((shown, text[1]))
    if problems:
        return Snapshot(Reading.refused(problems), texts, tuple(digests))
    reading = read([Source(name, text) for name, text in texts.items()], default_project=sources.project, strict=strict)
    return Snapshot(reading, texts, tuple(digests))


def project_name(sources: Sources) -> str:
    """The project's name as the files say it now, or what it is called when they cannot be read."""
    reading = read_sources(sources).reading
    return reading.document().project if reading.written is not None else sources.project


def _read_text(path: Path, shown: str, problems: list[Problem]) -> tuple[str, str] | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            detail = f"{shown} has more than {MAX_BYTES // 1024 // 1024} MiB"
            problems.append(problem("file-too-large", detail, Place(shown, 1, 1)))
            return None
        return data.decode("utf-8").removeprefix("\ufeff"), text_digest(data)
    except OSError as error:
        hint = "`reconciler init` writes one" if isinstance(error, FileNotFoundError) else None
        detail = f"{shown}: {error.strerror or error}"
        problems.append(Problem("error", "unreadable-file", "The file cannot be read", detail, None, hint))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").removeprefix("\ufeff")
        place = Place(shown, before.count("\n") + 1, len(before) - before.rfind("\n"))
        detail = f"byte {data[error.start]:#04x} is not UTF-8"
        problems.append(Problem("error", "not-utf-8", "The file is not UTF-8", detail, place, "save it as UTF-8"))
    return None


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
