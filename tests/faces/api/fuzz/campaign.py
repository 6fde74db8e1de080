"""Requests by the thousand, made from the description of the API, as one role, against an engine that listens."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from schemathesis.engine import events, from_schema

from reconciler.faces.api.access import RANKS
from tests.faces.api.fuzz.checks import Checks, closed
from tests.faces.api.fuzz.engine import CALLED, Engine

NEVER_ASKED = {"/api/v1/events/stream": "it never ends by itself; tests/faces/api/own/test_events.py asks for it"}
"""Left out by name. `stop` is asked for: nobody who comes over TCP may, and so it must never stop anything."""
WRITES = ("/api/v1/config", "/api/v1/import", "/api/v1/plan")
"""They are given servers."""
A_ROUND = 20, 250
"""Cases of each operation in a round, the fewest and the most; rounds go on until there are enough."""
MOST_TOLD = 20
BAIT = "bait-"
"""How the ids of servers begin that would run the trap."""


@dataclass
class Outcome:
    """What became of a campaign."""

    role: str
    cases: int = 0
    baited: bool = False
    """Whether what could have run was in the file at the end of a round."""
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        counts = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        told = [f"{check} at {label}\n{what}" for (check, label), what in list(self.failures.items())[:MOST_TOLD]]
        return "\n\n".join([f"{self.role}: {self.cases} cases ({counts}), {len(self.failures)} failures", *told])


def run(engine: Engine, role: str, wanted: int, seed: int) -> Outcome:
    """At least so many cases. The same seed makes the same requests, as far as they do not depend on answers."""
    with urllib.request.urlopen(f"{engine.url}/openapi.json", timeout=10) as answer:
        document = closed(json.load(answer))
    token = engine.tokens.get(role)
    Checks(document, token)
    _steer(engine, role)
    outcome = Outcome(role)
    for number in range(1000):
        if outcome.cases >= wanted or outcome.failures:
            break
        first = number == 0
        document = document if first else _within(document, role)
        size = A_ROUND[0] if first else min(max((wanted - outcome.cases) // 30, A_ROUND[0]), A_ROUND[1])
        _round(document, _config(engine, token, seed + number, size, first=first), outcome)
        _look_around(engine, outcome)
    _check_end(engine, outcome)
    return outcome


def _within(document: dict[str, Any], role: str) -> dict[str, Any]:
    """What the role may use: that it may not use the rest has been seen by then. Nobody is asked for all of it."""
    if role not in RANKS:
        return document
    may = RANKS[role]
    paths = {
        path: {method: operation for method, operation in item.items() if _is_for(operation, may)}
        for path, item in document["paths"].items()
    }
    return {**document, "paths": {path: item for path, item in paths.items() if item}}


def _is_for(operation: Any, may: int) -> bool:
    return isinstance(operation, dict) and RANKS.get(operation.get("x-least-role"), -1) <= may


def _config(engine: Engine, token: str | None, seed: int, size: int, *, first: bool) -> schemathesis.Config:
    phases = {"examples": first, "coverage": first, "fuzzing": True, "stateful": first}
    return schemathesis.Config.from_dict(
        {
            "base-url": engine.url,
            "seed": seed,
            "request-timeout": 60,
            "headers": {} if token is None else {"Authorization": f"Bearer {token}"},
            "generation": {"max-examples": size, "mode": "all", "no-shrink": True},
            "phases": {name: {"enabled": enabled} for name, enabled in phases.items()},
            "checks": {
                "unsupported_method": {"enabled": token is not None},
                "allow_header_conformance": {"enabled": token is not None},
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 502, 503, 504]},
                "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 412, 422, 429, "5xx"]},
                "missing_required_header": {"expected-statuses": [401, 403, 428]},
            },
        }
    )


def _round(document: dict[str, Any], config: schemathesis.Config, outcome: Outcome) -> None:
    schema = schemathesis.openapi.from_dict(document, config=config)
    for path in NEVER_ASKED:
        schema = schema.exclude(path=path)
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _count(event.recorder, outcome)
        elif isinstance(event, events.NonFatalError):
            outcome.failures["error", event.label] = str(event.info)
        elif isinstance(event, events.FatalError):
            outcome.failures["error", "the campaign"] = repr(event.exception)


def _count(recorder: Any, outcome: Outcome) -> None:
    for interaction in recorder.interactions.values():
        outcome.cases += 1
        if interaction.response is None:
            outcome.failures["no answer", recorder.label] = repr(interaction.request)
        else:
            outcome.statuses[interaction.response.status_code] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failed = check.failure_info
                what = f"{failed.failure.message}\n{failed.code_sample}"
                outcome.failures.setdefault((check.name, recorder.label), what)


def _look_around(engine: Engine, outcome: Outcome) -> None:
    """Whether the engine still answers, and what is in its file by now."""
    headers = {"Authorization": f"Bearer {engine.tokens['operator']}"}
    request = urllib.request.Request(f"{engine.url}/api/v1/servers", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            rows = json.load(answer)["servers"]
    except OSError as error:
        outcome.failures["the engine is gone", "the end"] = str(error)
    else:
        outcome.baited |= any(row["id"].startswith(BAIT) for row in rows)


def _check_end(engine: Engine, outcome: Outcome) -> None:
    """Nothing ran, and what could have was in the file."""
    if engine.sprung:
        outcome.failures["a command of a body ran", "the end"] = ""
    if outcome.role in ("editor", "operator") and not outcome.baited:
        outcome.failures["nothing was written that could have run", "the end"] = ""


def _steer(engine: Engine, role: str) -> None:
    """Some of what is generated leads on: to servers that are there, and to a command that must not run."""

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        path, body = case.operation.path, case.body
        if path in WRITES and isinstance(body, dict):
            for servers in _servers(body):
                _bait(servers, engine.trap, enabled=role != "operator")
        elif path == "/api/v1/call" and isinstance(body, dict) and isinstance(body.get("server"), str):
            body["server"] = (CALLED, "two", "off", body["server"])[len(body["server"]) % 4]
            if isinstance(body.get("tool"), str):
                body["tool"] = ("echo", "info", body["tool"])[len(body["tool"]) % 3]
        elif path == "/api/v1/tokens/{name}" and str(case.path_parameters.get("name", "")).endswith("-token"):
            case.path_parameters["name"] = "nobody"  # the campaign's own goes on holding


def _servers(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (body, body.get("patch")):
        if isinstance(holder, dict):
            yield from (holder[root] for root in ("mcpServers", "servers") if isinstance(holder.get(root), dict))


def _bait(servers: dict[str, Any], trap: Path, *, enabled: bool) -> None:
    """Half of the entries become such that would run, under a few ids, so that the file stays small. What an operator
    writes would be their yes, so that it is not `enabled`."""
    for number, (id, entry) in enumerate(list(servers.items())):
        if not isinstance(entry, dict):
            continue
        if (len(id) + number) % 2:
            servers[f"{BAIT}{len(id) % 5}"] = {"command": str(trap), "args": [id[:20]], "enabled": enabled}
            del servers[id]
        elif not enabled:
            entry["enabled"] = False


def fast() -> None:
    """Neither hill-climbing nor examples of earlier runs: all time goes into cases."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("campaign", phases=phases, database=None, deadline=None)
    hypothesis.settings.load_profile("campaign")
