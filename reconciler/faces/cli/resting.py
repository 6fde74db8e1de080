"""The status document where no engine runs: what was last known, with nothing in it that claims to live."""

from __future__ import annotations

from typing import Any

from reconciler.client import Answer
from reconciler.config.read import Reading
from reconciler.faces.cli.context import Options
from reconciler.problems import errors
from reconciler.store.observed import read_observed
from reconciler.store.sources import Sources, read_sources
from reconciler.store.state_dir import StateDir

_GONE = {"pid": None, "instance": None, "nextRetryAt": None, "toolCount": None, "health": "Missing"}


def report_at_rest(options: Options, state: StateDir) -> Answer:
    """The last report with `engine` null, and the file as it is now. Without any report: a project without servers."""
    report = read_observed(state) or _nothing(state)
    rows = [_at_rest(row) for row in report["servers"]]
    sources = options.sources() if options.project is None else None
    source = {**report["source"], "following": False, "held": None}
    if sources is not None:
        reading = read_sources(sources).reading
        source |= _source(sources, reading)
        if report["serial"] == 0 and reading.written is not None:
            report = {**report, "project": reading.document().project}
    return {**report, "engine": None, "source": source, "servers": rows}


def _source(sources: Sources, reading: Reading) -> Answer:
    return {
        "valid": not errors(reading.problems),
        "files": [sources.shown(path) for path in sources.paths],
        "problems": [problem.to_json() for problem in reading.problems],
    }


def _nothing(state: StateDir) -> Answer:
    name = state.path.name.rpartition("-")[0]
    source = {"valid": True, "files": [], "problems": []}
    return {"project": name, "serial": 0, "engine": None, "source": source, "pending": [], "servers": []}


def _at_rest(row: dict[str, Any]) -> dict[str, Any]:
    """An engine that was killed could not write that its sessions ended with it."""
    if not row["enabled"] or row["status"] == "disconnected":
        return row
    return {**row, **_GONE, "status": "disconnected", "reason": "no engine runs"}
