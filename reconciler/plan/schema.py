"""The JSON Schema of plan documents, `schemas/plan-1.schema.json`, made from the tables the document is made of."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from reconciler.model.pins import Drifted, State
from reconciler.model.written import Effect, Mark
from reconciler.plan.actions import WORDS, Risk
from reconciler.plan.document import FORMAT

Schema = dict[str, Any]

_DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_POINTER: Schema = {"type": "string", "pattern": "^(/[^/]*)*$", "description": "JSON pointer (RFC 6901)."}


def plan_schema() -> Schema:
    """Draft-07. Members may be added within version 1, so none is forbidden; readers ignore what they do not know."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "reconciler plan",
        "description": "What `reconciler plan -o json` prints: the difference between what was applied and the file.",
        **_object(
            format={"const": FORMAT},
            formatVersion={"type": "string", "pattern": r"^1\.[0-9]+$"},
            id={"type": "string", "pattern": "^pln-[0-9a-f]{12}$"},
            digest=_said(_DIGEST, "Of the canonical JSON without id, digest, times, paused and toolDrift."),
            createdAt=_TIME,
            project=_TEXT,
            source=_object(files=_list(_object(path=_TEXT, sha256=_TEXT)), git=_or_null({"type": "object"})),
            base=_object(digest=_DIGEST, lineage=_or_null(_TEXT), serial=_COUNT, lockDigest=_or_null(_TEXT)),
            target=_object(digest=_DIGEST),
            patch=_said({"type": "object"}, "RFC 7396, from what was applied to the file; a PATCH body."),
            reverse=_said({"type": "object"}, "RFC 7396, the way back."),
            actions=_list({"$ref": "#/definitions/action"}),
            drift=_list({"$ref": "#/definitions/action"}),
            paused=_said(
                _list(_object(id=_TEXT, who=_TEXT, since=_TIME, until=_or_null(_TIME))),
                "Servers that somebody keeps from running; no plan changes that.",
            ),
            checks=_list(_check()),
            toolDrift=_said(_list(_object(**_drifted())), "What live servers show that is not as the lock has it."),
            lockChanges=_said(
                _list(_object(**_drifted(), changes=_list(_changed()), hidden={"type": "object"})),
                "How the lock differs from that of the base that was asked for; `hidden` counts unseen characters.",
            ),
            summary=_object(**dict.fromkeys([*WORDS.values(), "no-op", "repair"], _COUNT)),
            safety=_safety(),
            applicable=_said(_FLAG, "Whether applying it would do anything."),
            fingerprints=_said(
                {"type": "object", "additionalProperties": _TEXT},
                "What stands for each text in `patch` that hides a literal secret, by pointer into the patch.",
            ),
        ),
        "definitions": {"action": _action(), "place": _or_null(_object(file=_TEXT, line=_COUNT, column=_COUNT))},
    }


def _action() -> Schema:
    return _object(
        id=_said(_TEXT, "The server, or `@project` for everything outside `mcpServers`."),
        action={"enum": [*WORDS.values()]},
        pointer=_POINTER,
        risk={"enum": [*get_args(Risk)]},
        marks=_list({"enum": [*get_args(Mark)]}),
        effects=_list({"enum": [*get_args(Effect)]}),
        reasons=_list({"oneOf": _reasons()}),
        patch=_said({"type": ["object", "null"]}, "Relative to `pointer`; null removes the server."),
        precondition=_object(digest=_said(_or_null(_DIGEST), "Of the entry as applied; null when there must be none.")),
        launch=_said(_or_null(_DIGEST), "What a person says yes to; null when nothing is launched or contacted."),
    )


def _reasons() -> list[Schema]:
    place: Schema = {"$ref": "#/definitions/place"}
    effect: Schema = {"enum": [*get_args(Effect)]}
    changed: Schema = {
        "path": _POINTER,
        "before": {},
        "after": {},
        "effect": effect,
        "sensitive": _FLAG,
        "place": place,
    }
    return [
        _object(code={"const": "field_changed"}, **changed),
        _object(code={"const": "project_changed"}, setting=_POINTER, **changed),
        _object(code={"const": "not_accepted"}, place=place),
        _object(code={"const": "not_in_file"}, named=_FLAG),
        _object(code={"const": "session_down"}, detail=_TEXT, since=_or_null(_TIME)),
    ]


def _check() -> Schema:
    return _object(
        code=_TEXT,
        severity={"enum": ["error", "warning"]},
        id=_or_null(_TEXT),
        message=_TEXT,
        place={"$ref": "#/definitions/place"},
        hint=_said(_or_null(_TEXT), "The way out."),
    )


def _drifted() -> Schema:
    return {
        "id": _TEXT,
        "kind": {"enum": [*get_args(get_type_hints(Drifted)["kind"])]},
        "name": _or_null(_TEXT),
        "state": {"enum": [*get_args(State)]},
    }


def _changed() -> Schema:
    return _object(path=_POINTER, state={"enum": ["changed", "new", "gone"]}, before={}, after={})


def _safety() -> Schema:
    blocked = _object(code={"enum": ["mass-delete", "protected"]}, servers=_list(_TEXT), message=_TEXT, wayOut=_TEXT)
    return _object(
        blocked=_list(blocked),
        deletes=_COUNT,
        existing=_COUNT,
        requires=_said(_list(_TEXT), "The marks somebody has to say yes to, and the codes of what is blocked."),
    )


def _object(**members: Schema) -> Schema:
    return {"type": "object", "required": sorted(members), "properties": members}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _said(schema: Schema, words: str) -> Schema:
    return {**schema, "description": words}
