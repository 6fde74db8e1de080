"""Tools that somebody allowed for always on this machine, beside the file: a small JSON file in the state directory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.store.files import write_whole

FORMAT = "reconciler.always"


@dataclass(frozen=True, slots=True)
class Always:
    """One tool of one server: digests of what serves it and of its definition, who said so, and when (`at`)."""

    server: str
    tool: str
    spec: str
    definition: str
    who: str
    at: str


def read_always(path: Path) -> list[Always]:
    """What is kept there, nothing without a file. Raises OSError, and ValueError for a file that is not ours."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    try:
        if stored["format"] != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return [Always(**row) for row in stored["tools"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def write_always(path: Path, rows: Iterable[Always]) -> None:
    """Replace it. Raises OSError; then the old file stands."""
    stored = {"format": FORMAT, "tools": [asdict(row) for row in rows]}
    write_whole(path, json.dumps(stored, indent=1) + "\n", mode=0o600)
