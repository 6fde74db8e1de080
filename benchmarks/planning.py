"""How long the parts of a plan take: reading, planning, rendering, writing JSON.

The baseline is `json.loads` of the same configuration written as JSON: a parser in C that checks nothing.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import yaml

from benchmarks.measure import heading, in_turn, options, table
from benchmarks.texts import configuration
from reconciler.config.read import Reading, Source, read
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.plan.actions import Plan
from reconciler.plan.build import make_plan
from reconciler.plan.document import to_json
from reconciler.plan.render.text import render_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    given = options(__doc__ or "", sizes=(50, 1_000, 10_000), quick_sizes=(50, 200))
    heading("The parts of a plan, in one process")
    for size in given.sizes:
        print(f"{size} servers")
        table(in_turn(_parts(size), given.runs))
        print()


def _parts(size: int) -> dict[str, Callable[[], object]]:
    text = configuration(size)
    now, then = _read(text), _read(configuration(size, changed=size // 2))
    as_json = json.dumps(now.written)
    copy = json.loads(as_json)  # as from a state file: nothing in it is the very object that the reading holds

    def known() -> Accepted:
        return Accepted("lineage", 1, Document(copy, "benchmark"))

    def none() -> Accepted:
        return Accepted()

    parts: dict[str, Callable[[], object]] = {
        "json.loads (baseline)": lambda: json.loads(as_json),
        "libyaml's events alone": lambda: deque(yaml.parse(text, Loader=yaml.CLoader), maxlen=0),
        "read: parse, check, merge": lambda: _read(text),
    }
    for name, before, after in (
        ("all created", none, now),
        ("nothing changed", known, now),
        ("one changed", known, then),
    ):
        parts[f"{name}: make_plan"] = lambda before=before, after=after: _plan(before(), after)
        parts[f"{name}: make_plan, text"] = lambda before=before, after=after: render_text(_plan(before(), after))
        parts[f"{name}: make_plan, JSON"] = lambda before=before, after=after: to_json(_plan(before(), after))
    return parts


def _read(text: str) -> Reading:
    return read([Source("reconciler.yaml", text)], default_project="benchmark")


def _plan(accepted: Accepted, desired: Reading) -> Plan:
    """From documents that remember nothing of the run before."""
    return make_plan(accepted, desired.document(), Observed(), Pins(), now=NOW, place=desired.place)


if __name__ == "__main__":
    main()
