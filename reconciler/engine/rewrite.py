"""A merge patch on the text of a project's files: checked whole before anything is written.

`rewrite` makes the files say something together; `rewrite_one` changes what one of them says, whatever becomes of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.config.edit import EditRefused, edit, edits, no_edit, parse
from reconciler.config.read import Reading, Source, read
from reconciler.config.tree import key_of
from reconciler.merge_patch import apply, diff, equal
from reconciler.plan.pointers import differing
from reconciler.problems import Place, Problem, errors
from reconciler.store.files import NO_FILE, NotAsRead, text_digest, write_whole
from reconciler.store.sources import Snapshot, Sources

_BOM = "\ufeff"


class ChangeRefused(Exception):
    """Nothing was changed; the message says why.

    `code` is not-allowed, held, invalid, exists, own-setting, blocked, stale, read-only, edit-refused, too-many-held,
    vault or not-recorded.
    `problems` are all mistakes that the file would have had, where that is the reason; `patch` is the change to be made
    by hand, without secrets, where the file may not be written.
    """

    def __init__(
        self, code: str, message: str, problems: Iterable[Problem] = (), patch: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.problems = tuple(problems)
        self.patch = patch


class MovedOn(Exception):
    """A file was saved by somebody else meanwhile: nothing of ours was written."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What the files are to say. `texts` are the new ones by path, none where nothing changes; those of files that are
    to be made, too. `hidden_at` is where a later file says otherwise, so that the change does not show."""

    before: Snapshot
    after: Snapshot
    texts: Mapping[Path, str]
    hidden_at: Place | None = None


def rewrite(sources: Sources, before: Snapshot, want: Any, *, known: Rewritten | None = None) -> Rewritten:
    """The texts that say `want`, with as little changed as can be. Raises ChangeRefused.

    `known` is what was made of them before: it is the answer where the texts are still the same, and what is wanted.
    """
    if known is not None and known.before is before and equal(known.after.reading.written, want):
        return known
    patch = diff(before.reading.written, want)
    if not patch:
        return Rewritten(before, before, {})
    reading = _sound(sources, _read_edited(sources, before, patch))
    if len(reading.sources) > 1 and not equal(reading.written, want):
        place = _hidden_at(reading, want)
        said = f"{place} says otherwise, and hides what the main file would say" if place else _UNSOUND
        raise ChangeRefused("edit-refused", said)
    return _rewritten(sources, before, replace(reading, written=want))  # what did not change is the same object


def rewrite_one(sources: Sources, before: Snapshot, path: Path, patch: Mapping[str, Any]) -> Rewritten:
    """The text of one file with a patch of what it says itself; it is made where it is not there. Null takes back what
    it says, and of that no empty entry is left. Raises ChangeRefused."""
    name = sources.shown(path)
    texts = {source.name: source.text for source in before.reading.sources}
    old = texts.get(name, "")
    try:
        tree = parse(old, name)[0]
        own = tree.value if tree is not None and isinstance(tree.value, dict) else {}
        texts[name] = edit(old, _own(own, patch), file=name)
    except EditRefused as refused:
        raise ChangeRefused("edit-refused", str(refused)) from refused
    order = dict.fromkeys(map(sources.shown, sources.possible))
    reading = read([Source(each, texts[each]) for each in order if each in texts], default_project=sources.project)
    place = _hidden_at(_sound(sources, reading), apply(reading.written, _own({}, patch)))
    return replace(_rewritten(sources, before, reading), hidden_at=place)


def _own(value: Any, patch: Any, depth: int = 0) -> Any:
    """The patch of what one file says itself. What it takes back makes no empty map, and leaves none below those of the
    top."""
    if not isinstance(patch, Mapping) or not patch:
        return patch
    old = value if isinstance(value, dict) else {}
    made = {key: _own(old.get(key), member, depth + 1) for key, member in patch.items()}
    made = {key: made[key] for key in made if (key in old if made[key] is None else made[key] != {} or not patch[key])}
    return None if depth > 1 and old and not apply(old, made) else made


def _sound(sources: Sources, reading: Reading) -> Reading:
    """A reading without errors. Raises ChangeRefused."""
    wrong = errors(reading.problems)
    if wrong:
        main = sources.shown(sources.main)
        raise ChangeRefused("invalid", f"{main} would have errors after the change: {wrong[0].detail}", wrong)
    return reading


def _rewritten(sources: Sources, before: Snapshot, reading: Reading) -> Rewritten:
    paths = {sources.shown(path): path for path in sources.possible}
    raw = {source.name: with_bom(source.text, before, source.name) for source in reading.sources}
    digests = tuple((name, text_digest(text.encode("utf-8"))) for name, text in raw.items())
    after = Snapshot(reading, {source.name: source.text for source in reading.sources}, digests)
    texts = {paths[name]: text for name, text in raw.items() if after.texts[name] != before.texts.get(name)}
    return Rewritten(before, after, texts)


_UNSOUND = "the edit does not hold"


def _read_edited(sources: Sources, before: Snapshot, patch: Mapping[str, Any]) -> Reading:
    """What the files say with the patch in them. Raises ChangeRefused."""
    reading = before.reading
    (main, *overlays), (own, *others) = reading.sources, reading.split(dict(patch))
    tree = reading.trees[0]
    assert tree is not None
    try:
        rest = [
            Source(one.name, edit(one.text, part, file=one.name)) for one, part in zip(overlays, others, strict=True)
        ]
        want = apply(tree.value, own)
        for text in edits(main.text, tree, own, file=main.name):
            found = read([Source(main.name, text), *rest], default_project=sources.project)
            root = found.trees[0]
            if root is not None and equal(root.value, want):
                return found
        raise no_edit(main.name, own)
    except EditRefused as refused:
        raise ChangeRefused("edit-refused", str(refused)) from refused


def _hidden_at(reading: Reading, want: Any) -> Place | None:
    """Where a file says something else, at the first place where they do not say what is wanted together."""
    if equal(reading.written, want):
        return None
    path, _, _ = next(differing(reading.written, want))
    for tree in reversed(reading.trees[1:]):
        for depth in range(len(path), 0, -1):
            key = key_of(tree, path[:depth]) if tree is not None else None
            if key is not None:
                return key.place
    return None


def with_bom(text: str, before: Snapshot, name: str) -> str:
    """The text as it is to stand in the file; a byte order mark that was there stays."""
    old = before.texts.get(name, "")
    had = name in before.texts and dict(before.digests)[name] != text_digest(old.encode("utf-8"))
    return _BOM + text if had else text


def write(rewritten: Rewritten, sources: Sources) -> None:
    """Write the texts, each only over what was read. Raises MovedOn, OSError; then every file is as it was."""
    before = rewritten.before
    _check_beside(rewritten, sources)
    done: list[Path] = []
    try:
        for path, text in rewritten.texts.items():
            expected = dict(before.digests).get(sources.shown(path), NO_FILE)
            write_whole(path, text, mode=_mode_like(sources.main) if expected == NO_FILE else None, expected=expected)
            done.append(path)
    except (NotAsRead, OSError) as error:
        for path in done:
            name = sources.shown(path)
            write_whole(path, with_bom(before.texts[name], before, name))
        if isinstance(error, NotAsRead):
            raise MovedOn from error
        raise


def _mode_like(path: Path) -> int:
    """Who may read it, and its owner may write it."""
    return stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR


def _check_beside(rewritten: Rewritten, sources: Sources) -> None:
    """The files that stay must be those with which the others were checked. Raises MovedOn, OSError."""
    digests, paths = dict(rewritten.before.digests), {sources.shown(path): path for path in sources.paths}
    kept = [(path, digests.get(name)) for name, path in paths.items() if path not in rewritten.texts]
    if paths.keys() != digests.keys() or any(text_digest(path.read_bytes()) != digest for path, digest in kept):
        raise MovedOn


def is_writable(paths: Iterable[Path]) -> bool:
    """Whether we may write them all, those that are to be made too."""
    return all(os.access(path if path.exists() else path.parent, os.W_OK) for path in paths)
