"""The one reader: texts to a document, with every problem at once. Reads: text. Gives: Reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.config.codes import problem
from reconciler.config.events import MAX_BYTES, parse_yaml
from reconciler.config.findings import Findings
from reconciler.config.json_text import parse_json
from reconciler.config.overlays import Layers, Path, nulls
from reconciler.config.references import check_references
from reconciler.config.rules import check_rules
from reconciler.config.shown import hidden_text
from reconciler.config.tree import Node
from reconciler.config.validate import check_shape
from reconciler.config.words import named, type_word
from reconciler.model.document import Document, hidden
from reconciler.model.secret import Fingerprint
from reconciler.problems import Place, Problem, errors, in_order


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name as people know it, and its text. A name that ends in `.json` is read as JSON, else as YAML."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the files say together. `written` is the merged JSON value, or None when there is an error."""

    written: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    sources: tuple[Source, ...] = ()
    trees: tuple[Node | None, ...] = ()
    """The parsed object of each source; None where there is none."""
    default_project: str = "default"
    _layers: Layers = field(default=Layers(()), repr=False)
    _shown: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def refused(cls, problems: Iterable[Problem]) -> Reading:
        """A reading that failed before any text was there."""
        return cls(None, tuple(in_order(problems)))

    def place(self, path: Path) -> Place | None:
        """Where the key or list item stands that gave `path` its value: the last file that sets it wins.

        What is not there has the place of its nearest parent; what an overlay removed has none.
        """
        return self._layers.place(path)

    def split(self, patch: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """The part of a merge patch that goes into each source."""
        return self._layers.split(patch)

    def document(self, hide: Fingerprint = hidden) -> Document:
        """The document of a reading without errors; raises ValueError otherwise."""
        if self.written is None:
            raise ValueError("a reading with errors has no document")
        return Document(self.written, self.default_project, hide)

    def shown(self, file: str) -> str | None:
        """The text of `file` with the literals of secret fields hidden, length for length; None for an unknown file."""
        for source, tree in zip(self.sources, self.trees, strict=True):
            if source.name == file and file not in self._shown:
                self._shown[file] = hidden_text(source.text, tree)
        return self._shown.get(file)


def read(sources: Sequence[Source], *, default_project: str, strict: bool = False) -> Reading:
    """Parse, lay over each other and check `sources`: the main file, then its overlays.

    Each mistake is one Problem; all of them come back, sorted by place. `strict` makes a secret that is written out
    an error. Nothing is resolved, and nothing but the texts is looked at.
    """
    problems: list[Problem] = []
    trees = tuple(_parsed(source, problems) for source in sources)
    written: dict[str, Any] | None = None
    misread = {problem.place for problem in problems}
    layers = Layers(tuple(tree for tree in trees if tree is not None))
    if len(layers.trees) == len(trees):
        findings = Findings(layers, problems)
        written = _checked(findings)
    found = _final(problems, misread, strict)
    kept = None if errors(found) else written
    return Reading(kept, found, tuple(sources), trees, default_project, layers)


def _parsed(source: Source, problems: list[Problem]) -> Node | None:
    if len(source.text) * 4 > MAX_BYTES and len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        detail = f"{source.name} has more than {MAX_BYTES // 1024 // 1024} MiB"
        problems.append(problem("file-too-large", detail, Place(source.name, 1, 1)))
        return None
    parse = parse_json if source.name.endswith(".json") else parse_yaml
    tree, found = parse(source.text, source.name)
    problems += found
    if tree is None or isinstance(tree.value, dict):
        return tree
    place, hint = tree.lines.place(tree.first, tree.first), "begin with `version: 1`, then `mcpServers:`"
    problems.append(problem("not-a-map", f"{source.name} holds {type_word(tree.value)}", place, hint))
    return None


def _checked(findings: Findings) -> dict[str, Any]:
    """The merged value, after everything was looked at."""
    for path in nulls(findings.layers.trees[0]):
        findings.spoiled.add(path)
        hint = "delete the line, or write {} or []"
        findings.error_at_key("empty-value", f"{named(path)} has no value", path, hint)
    _check_removals(findings)
    written = findings.layers.merged()
    sound = check_shape(written, findings)
    check_rules(sound, findings)
    check_references(sound, findings)
    return written


def _check_removals(findings: Findings) -> None:
    """A null in an overlay that removes nothing was meant for something else."""
    trees = findings.layers.trees
    for index, tree in enumerate(trees[1:], 1):
        for path in nulls(tree):
            if not Layers(trees[:index]).sets(path):
                place = Layers((tree,)).place(path)
                detail = f"{named(path)} is removed here, but no file before this one has it"
                findings.problems.append(problem("removes-nothing", detail, place, "delete the line", "warning"))


def _final(problems: Iterable[Problem], misread: set[Place | None], strict: bool) -> tuple[Problem, ...]:
    """In order, each mistake once: one code at one place, and nothing about a value that could not be read as meant."""
    once: dict[Any, Problem] = {}
    for found in in_order(problems):
        key = found.place if found.place in misread else (found.code, found.place or found.detail)
        once.setdefault(key, found)
    severe = (replace(p, severity="error") if strict and p.code == "literal-secret" else p for p in once.values())
    return tuple(severe)
