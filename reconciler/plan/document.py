"""A plan as the JSON document that is printed, saved and posted. Reads: Plan. Its schema is in `schema.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

from reconciler.canonical import digest
from reconciler.model.document import Document, masked_text
from reconciler.model.pins import Drifted
from reconciler.plan.actions import (
    PROJECT,
    WORDS,
    Action,
    Blocked,
    Check,
    Delete,
    FieldChanged,
    NotAccepted,
    NotInFile,
    Plan,
    ProjectChanged,
    Reason,
    SessionDown,
    Source,
    word,
)
from reconciler.plan.patches import touched
from reconciler.plan.pointers import Path, pointer
from reconciler.problems import Place

FORMAT = "reconciler.plan"
FORMAT_VERSION = "1.2"
_NOT_DIGESTED = frozenset({"id", "digest", "createdAt", "paused", "toolDrift"})


def to_json(plan: Plan) -> str:
    """The document as text: sorted keys, ASCII only, so that no text in it can play tricks on a terminal."""
    return json.dumps(to_document(plan), indent=2, sort_keys=True) + "\n"


def patch_json(plan: Plan) -> str:
    """The merge patch alone (RFC 7396), a body that PATCH accepts; `{}` when nothing changes."""
    return json.dumps(plan.patch, indent=2, sort_keys=True) + "\n"


def plan_id(plan: Plan) -> str:
    """`pln-` and 12 hex of the digest."""
    return str(to_document(plan)["id"])


def to_document(plan: Plan) -> dict[str, Any]:
    """The plan document, format 1.2. The same input gives the same document but for times."""
    body = _body(plan)
    found = document_digest(body)
    return {**body, "id": id_of(found), "digest": found, "createdAt": timestamp(plan.created)}


def document_digest(document: Mapping[str, Any]) -> str:
    """Digest of a plan document without its id, its digest, all times, and what servers show at the moment."""
    body = {key: value for key, value in document.items() if key not in _NOT_DIGESTED}
    return digest({**body, "drift": _without_times(body["drift"]), "actions": _without_times(body["actions"])})


def _without_times(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**action, "reasons": [{k: v for k, v in reason.items() if k != "since"} for reason in action["reasons"]]}
        for action in actions
    ]


def id_of(plan_digest: str) -> str:
    """The id of a plan with this digest."""
    return f"pln-{plan_digest.removeprefix('sha256:')[:12]}"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _body(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "formatVersion": FORMAT_VERSION,
        "project": plan.project,
        "source": _source(plan.source),
        "base": {
            "digest": plan.base_digest,
            "lineage": plan.lineage or None,
            "serial": plan.serial,
            "lockDigest": plan.lock_digest,
        },
        "target": {"digest": plan.target_digest},
        "patch": dict(plan.patch),
        "reverse": dict(plan.reverse),
        "actions": [_action(action) for action in plan.actions],
        "drift": [_action(repair) for repair in plan.drift],
        "paused": [{"id": server, **pause.to_json()} for server, pause in plan.paused.items()],
        "checks": [_check(check) for check in plan.checks],
        "toolDrift": [_drifted(server, each) for server, drift in plan.tool_drift.items() for each in drift],
        "lockChanges": [
            {"id": change.server, **each.to_json()} for change in plan.lock_changes for each in change.differences
        ],
        "summary": summary(plan),
        "safety": _safety(plan),
        "applicable": is_applicable(plan),
        "fingerprints": fingerprints(plan.patch, plan.desired),
    }


def _source(source: Source) -> dict[str, Any]:
    files = [{"path": path, "sha256": sha256} for path, sha256 in source.files]
    return {"files": files, "git": dict(source.git) if source.git is not None else None}


def _action(action: Action) -> dict[str, Any]:
    return {
        "id": action.server,
        "action": word(action),
        "pointer": "" if action.server == PROJECT else pointer(("mcpServers", action.server)),
        "risk": action.risk,
        "marks": sorted(action.marks),
        "effects": list(action.effects),
        "reasons": [_reason(reason) for reason in action.because],
        "patch": action.patch,
        "precondition": {"digest": action.expects},
        "launch": action.launch,
    }


def _reason(reason: Reason) -> dict[str, Any]:
    match reason:
        case FieldChanged(path, before, after, effect, place, sensitive):
            changed = {"path": path, "before": before, "after": after, "effect": effect, "sensitive": sensitive}
            return {"code": "field_changed", **changed, "place": _place(place)}
        case ProjectChanged(path, field, before, after, effect, place, sensitive):
            changed = {"path": field, "before": before, "after": after, "effect": effect, "sensitive": sensitive}
            return {"code": "project_changed", **changed, "setting": path, "place": _place(place)}
        case NotAccepted(place):
            return {"code": "not_accepted", "place": _place(place)}
        case NotInFile(named):
            return {"code": "not_in_file", "named": named}
        case SessionDown(detail, since):
            return {"code": "session_down", "detail": detail, "since": timestamp(since) if since else None}
        case _:
            assert_never(reason)


def _place(place: Place | None) -> dict[str, Any] | None:
    return {"file": place.file, "line": place.line, "column": place.column} if place else None


def _check(check: Check) -> dict[str, Any]:
    return {
        "code": check.code,
        "severity": check.severity,
        "id": check.server,
        "message": check.message,
        "place": _place(check.place),
        "hint": check.hint,
    }


def _drifted(server: str, drifted: Drifted) -> dict[str, Any]:
    return {"id": server, "kind": drifted.kind, "name": drifted.name or None, "state": drifted.state}


def summary(plan: Plan) -> dict[str, int]:
    """How many actions of each kind; `no-op` are the servers left alone, `repair` the drift."""
    counts = dict.fromkeys(WORDS.values(), 0)
    for action in plan.actions:
        counts[word(action)] += 1
    return {**counts, "no-op": plan.unchanged, "repair": len(plan.drift)}


def _safety(plan: Plan) -> dict[str, Any]:
    return {
        "blocked": [_blocked(blocked) for blocked in plan.blocked],
        "deletes": sum(isinstance(action, Delete) for action in plan.actions),
        "existing": len(plan.base.servers),
        "requires": sorted({mark for action in plan.actions for mark in action.marks} | {b.code for b in plan.blocked}),
    }


def _blocked(blocked: Blocked) -> dict[str, Any]:
    return {
        "code": blocked.code,
        "servers": list(blocked.servers),
        "message": blocked.message,
        "wayOut": blocked.way_out,
    }


def blocked_servers(plan: Plan) -> frozenset[str]:
    """The servers whose action is not carried out."""
    return frozenset(server for blocked in plan.blocked for server in blocked.servers)


def is_applicable(plan: Plan) -> bool:
    """Whether applying it would do anything: something is left that is not blocked."""
    blocked = blocked_servers(plan)
    return bool(plan.drift) or any(action.server not in blocked for action in plan.actions)


def fingerprints(patch: Mapping[str, Any], desired: Document) -> dict[str, str]:
    """What stands for each text in `patch` that hides a literal, by JSON pointer: `***`, keyed once a key exists."""
    hidden = _hidden(patch, touched(desired, patch), ())
    return {pointer(path): masked_text(text, desired.hide, path) for path, text in hidden}


def _hidden(patch: Any, real: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Where a text of `patch` is not the real one, and that one."""
    match patch:
        case str() if patch != real:
            yield path, real
        case dict():
            for key, member in patch.items():
                if member is not None:
                    yield from _hidden(member, real[key], (*path, key))
        case list():
            for index, item in enumerate(patch):
                yield from _hidden(item, real[index], (*path, index))
