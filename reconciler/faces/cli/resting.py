"""The status document where no engine tells it: what was last known without one, and the file as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.client import Answer
from reconciler.engine.at_rest import at_rest
from reconciler.engine.conditions import shown, source_facts
from reconciler.faces.cli.context import Options
from reconciler.problems import Problem, errors
from reconciler.store.observed import read_observed
from reconciler.store.sources import read_sources
from reconciler.store.state_dir import StateDir


def report_at_rest(options: Options, state: StateDir) -> Answer:
    """The last report with `engine` null, and the file as it is now. Without any report: a project without servers."""
    report = read_observed(state) or _nothing(state)
    rows = [_at_rest(row) for row in report["servers"]]
    source = {**report["source"], "following": False, "held": None, "remark": None}
    return with_files_now({**report, "engine": None, "source": source, "servers": rows}, options)


def with_files_now(report: Answer, options: Options) -> Answer:
    """The report with what the files say now: an engine that does not follow them knows only what it read last."""
    sources = options.sources() if options.project is None else None
    if sources is None or report["source"]["following"]:
        return report
    reading = read_sources(sources).reading
    source = {
        **report["source"],
        "valid": not errors(reading.problems),
        "files": [sources.shown(path) for path in sources.paths],
        "problems": [problem.to_json() for problem in reading.problems],
        "conditions": _conditions(report, reading.problems),
    }
    named = report["serial"] > 0 or reading.written is None
    return {**report, "source": source, "project": report["project"] if named else reading.document().project}


def _conditions(report: Answer, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """What is so of the files as they are now; since when is known of what was so before."""
    source, serial = report["source"], report["serial"]
    since = {each["type"]: each for each in source.get("conditions", ())}
    facts = [shown(fact, serial, None) for fact in source_facts(problems, source["held"], serial)]
    return [
        since[fact["type"]] | {"reason": fact["reason"], "message": fact["message"]}
        if since.get(fact["type"], {}).get("status") == fact["status"]
        else fact
        for fact in facts
    ]


def _nothing(state: StateDir) -> Answer:
    name = state.path.name.rpartition("-")[0]
    source = {"valid": True, "files": [], "problems": [], "conditions": []}
    facts = {"project": name, "serial": 0, "engine": None, "source": source, "pending": []}
    return {**facts, "calls": {"free": 0, "asked": 0, "waiting": 0}, "servers": []}


def _at_rest(row: dict[str, Any]) -> dict[str, Any]:
    """An engine that was killed could not write that its sessions ended with it."""
    return row if row["status"] == "disconnected" else at_rest(row, "no engine runs")
