"""The files of a project, read as text, and what they say together. Reading them never changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.config.codes import problem
from reconciler.config.events import MAX_BYTES
from reconciler.config.read import Reading, Source, read
from reconciler.problems import Place, Problem
from reconciler.store.files import read_at_most, text_digest
from reconciler.store.places import FILE_NAME, Sources, all_paths, find_file, local_overlay

__all__ = [
    "FILE_NAME",
    "Snapshot",
    "Sources",
    "all_paths",
    "find_file",
    "local_overlay",
    "project_name",
    "read_sources",
]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The texts of one moment with what they say."""

    reading: Reading
    texts: dict[str, str]
    digests: tuple[tuple[str, str], ...]
    """Shown path and digest of every file that was read."""

    @property
    def etag(self) -> str:
        """What a change may be made for: the digest of the file, of all of them where there are overlays."""
        digests = [digest for _, digest in self.digests]
        return digests[0] if len(digests) == 1 else text_digest("".join(digests).encode("ascii"))


def read_sources(sources: Sources, *, strict: bool = False, known: Snapshot | None = None) -> Snapshot:
    """Read every file and what they say together. A file that cannot be read is a Problem, never an exception.

    `known` is what they said before, read alike: it is the answer where the texts are still the same.
    """
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
    if known is not None and known.reading.sources and known.digests == tuple(digests):
        return known
    reading = read([Source(name, text) for name, text in texts.items()], default_project=sources.project, strict=strict)
    return Snapshot(reading, texts, tuple(digests))


def project_name(sources: Sources) -> str:
    """The project's name as the files say it now, or what it is called when they cannot be read."""
    reading = read_sources(sources).reading
    return reading.document().project if reading.written is not None else sources.project


def _read_text(path: Path, shown: str, problems: list[Problem]) -> tuple[str, str] | None:
    try:
        data = read_at_most(path, MAX_BYTES + 1)
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
