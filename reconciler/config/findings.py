"""Problems as they are found on the way from a value to a document, each put at its place in the files."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.config.codes import problem
from reconciler.config.overlays import Layers, Path
from reconciler.problems import Problem


@dataclass(slots=True)
class Findings:
    """What is wrong so far. `spoiled` holds the paths that already have their problem: nothing follows from them."""

    layers: Layers
    problems: list[Problem] = field(default_factory=list)
    spoiled: set[Path] = field(default_factory=set)

    def error(self, code: str, detail: str, path: Path, hint: str | None = None) -> None:
        """A mistake in the value at `path`."""
        self.problems.append(problem(code, detail, self.layers.value_place(path), hint, path=path))

    def error_inside(self, code: str, detail: str, path: Path, part: str, hint: str | None = None) -> None:
        """A mistake in the `part` of the text at `path`; it has the place of the whole where it cannot be found."""
        place = self.layers.part_place(path, part) or self.layers.value_place(path)
        self.problems.append(problem(code, detail, place, hint, path=path))

    def error_at_key(self, code: str, detail: str, path: Path, hint: str | None = None) -> None:
        """A mistake in the key at the end of `path`, or in what is missing there."""
        self.problems.append(problem(code, detail, self.layers.place(path), hint, path=path))

    def warn(self, code: str, detail: str, path: Path, hint: str | None = None) -> None:
        """Something in the value at `path` that works but should be known."""
        self.problems.append(problem(code, detail, self.layers.value_place(path), hint, "warning", path))

    def warn_at_key(self, code: str, detail: str, path: Path, hint: str | None = None) -> None:
        """Something about the key at the end of `path` that works but should be known."""
        self.problems.append(problem(code, detail, self.layers.place(path), hint, "warning", path))
