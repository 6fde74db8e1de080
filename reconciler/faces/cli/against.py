"""`--against FILE|git:REF`: the files at some other place or time as the base of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.config.read import Reading, Source, read
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.planning import pins_of, rooted, source_of
from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.plan.actions import Plan
from reconciler.plan.build import base_of, make_plan
from reconciler.problems import errors
from reconciler.store.git_show import NoSuchRevision, show_file
from reconciler.store.lock_file import lock_from, read_lock
from reconciler.store.sources import Sources, read_sources
from reconciler.store.state_dir import fingerprint

_GIT = "git:"


def plan_against(options: Options, sources: Sources, base: str, allow: frozenset[str]) -> Plan | Reading:
    """The plan from what stands at `base` to the files; a Reading with errors when either cannot be used.

    The git-ignored overlay is left out on both sides: this is about what everybody has. Raises Stop.
    """
    sources = rooted(replace(sources, local=False))
    snapshot = read_sources(sources)
    if errors(snapshot.reading.problems):
        return snapshot.reading
    before = _at_revision(sources, base) if base.startswith(_GIT) else _in_file(base)
    if before is not None and errors(before.problems):
        return before
    hide = fingerprint(options.state(sources).key())
    written = {"mcpServers": {}} if before is None or before.written is None else before.written
    return make_plan(
        base_of(Document(written, sources.project, hide)),
        snapshot.reading.document(hide=hide),
        Observed(),
        pins_of(sources),
        now=datetime.now(UTC),
        place=snapshot.reading.place,
        source=source_of(sources, snapshot),
        allow=allow,
        against=base,
        base_pins=_pins_at(sources, base),
    )


def _in_file(base: str) -> Reading:
    path = Path(base).absolute()
    if not path.exists():
        raise Stop(Exit.USAGE, "no-such-base", f"{base} does not exist", "write FILE, or git:REF for a revision")
    return read_sources(Sources(path, (), Path.cwd(), local=False)).reading


def _at_revision(sources: Sources, base: str) -> Reading | None:
    """None where the revision has no such file."""
    found = list(_texts(sources, base))
    if not found or found[0][0] != sources.main:
        return None
    texts = [Source(f"{base}:{sources.shown(path)}", text) for path, text in found]
    return read(texts, default_project=sources.project)


def _texts(sources: Sources, base: str) -> Iterator[tuple[Path, str]]:
    for path in sources.paths:
        content = _at(base, path)
        if content is not None:
            yield path, content.decode("utf-8-sig", "replace")


def _at(base: str, path: Path) -> bytes | None:
    try:
        return show_file(base.removeprefix(_GIT), path)
    except NoSuchRevision as error:
        hint = "git:REF is a branch, a tag or a commit of this checkout; a shallow clone may have to fetch it first"
        raise Stop(Exit.SYSTEM, "no-such-revision", f"{base}: {error}", hint) from error


def _pins_at(sources: Sources, base: str) -> Pins:
    """The lock at `base`."""
    if not base.startswith(_GIT):
        lock = Path(base).absolute().with_suffix(".lock")
        return read_lock(lock, str(lock))
    content = _at(base, sources.lock)
    return Pins() if content is None else lock_from(content, f"{base}:{sources.shown(sources.lock)}")
