"""`/openapi.json`: OpenAPI 3.1 of our own API, made of what stands beside each route. It holds no data of anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler import __version__
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.description import FAILED, NDJSON, Asked, Ending, Lines, Refused, Says, Shown
from reconciler.faces.api.own.configuration import PlanShown
from reconciler.gate.gate import Role
from reconciler.plan.schema import plan_schema

Schema: TypeAlias = dict[str, Any]

ROOT = "/api/v1"
_REF = "#/components/schemas/{model}"
_MODE: Literal["validation"] = "validation"
_PARAMETER = re.compile(r"{(\w+)}")
_PATH_WORDS = {
    "server": "Id of a server.",
    "call": "Id of a call that asked, `call-...`.",
    "name": "What it is called.",
}
_EVERYWHERE: Mapping[int, tuple[str, ...]] = {
    400: ("bad-query", "bad-host", "bad-target"),
    403: ("wrong-origin", "cross-site"),
    421: ("wrong-host",),
    503: ("stopping",),
}
_WITH_TOKEN: Mapping[int, tuple[str, ...]] = {
    401: ("unauthorized",),
    403: ("not-allowed",),
    429: ("too-many-failures",),
}
_WITH_BODY: Mapping[int, tuple[str, ...]] = {
    400: ("bad-json", "bad-body", "incomplete"),
    413: ("too-large",),
    415: ("not-json",),
}
_OF_PROJECT: Mapping[int, tuple[str, ...]] = {404: ("unknown-project", "not-found")}
_INTRODUCTION = f"""Everything but what is open needs a token (`Authorization: Bearer`), and the role that
`x-least-role` names: {", ".join(role for role in get_args(Role) if role != "owner")}, each of which may do what those
before it may. `owner` is whoever can use the engine's local socket. Every path under `{ROOT}` is there for each project
under `/p/<project>` as well. Every answer other than success has the shape `Refused`."""

_DOCUMENT = Says("This document", media={"application/json": None})


def routes() -> list[RoleRoute]:
    """The one route; it needs no token."""
    return [RoleRoute("/openapi.json", get_document, None, says=_DOCUMENT)]


async def get_document(request: Request) -> JSONResponse:
    describe: Callable[[], Schema] = request.app.state.describe
    return JSONResponse(describe())


def document(below_root: Iterable[RoleRoute], beside: Iterable[RoleRoute] = ()) -> Schema:
    """The document of the routes below `/api/v1`, and of those at the root. Each must say what it is."""
    described = [(ROOT + route.path, route) for route in below_root] + [(route.path, route) for route in beside]
    refs, schemas = _schemas(route for _, route in described)
    schemas.update(_plan())
    paths: dict[str, Any] = {}
    for path, route in described:
        item = paths.setdefault(path, {} if path.startswith(ROOT) else {"servers": [{"url": "/"}]})
        item[_method(route)] = _operation(path, route, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mcp-reconciler", "version": __version__, "description": " ".join(_INTRODUCTION.split())},
        "servers": [
            {"url": "/", "description": "The first project by name."},
            {
                "url": "/p/{project}",
                "description": "A project by its name.",
                "variables": {"project": {"default": "default"}},
            },
        ],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class Plain(GenerateJsonSchema):
    """Schemas without a title for each member, which would say its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Undescribed(Exception):
    """A route does not say what it is."""


def _says(route: RoleRoute) -> Says:
    if route.says is None:
        raise Undescribed(f"{route.path} does not say what it is")
    return route.says


def _method(route: RoleRoute) -> str:
    return next(method for method in sorted(route.methods or ()) if method != "HEAD").lower()


def _schemas(routes: Iterable[RoleRoute]) -> tuple[Mapping[type[BaseModel], Schema], Schema]:
    """A reference to each model, and the schemas that they lead to."""
    models: dict[type[BaseModel], None] = {Refused: None, Ending: None}
    for route in routes:
        says = _says(route)
        lines = says.answers if isinstance(says.answers, Lines) else None
        answers = (lines.progress, lines.result) if lines is not None else (says.answers,)
        models.update(dict.fromkeys(each for each in (says.body, *answers, *says.media.values()) if each is not None))
    wanted = [(model, _MODE) for model in models]
    refs, definitions = models_json_schema(wanted, ref_template=_REF, schema_generator=Plain)
    return {model: refs[model, _MODE] for model in models}, definitions["$defs"]


def _plan() -> Schema:
    """The published schema of plan documents in place of the model that stands for it."""
    schema = plan_schema()
    parts = schema.pop("definitions")
    text = json.dumps({PlanShown.__name__: schema, **{f"Plan{name.title()}": part for name, part in parts.items()}})
    for name in parts:
        text = text.replace(f"#/definitions/{name}", _REF.format(model=f"Plan{name.title()}"))
    plan: Schema = json.loads(text)
    del plan[PlanShown.__name__]["$schema"]
    return plan


def _operation(path: str, route: RoleRoute, refs: Mapping[type[BaseModel], Schema]) -> Schema:
    says = _says(route)
    least: Schema = {"x-least-role": route.least} if route.least is not None else {"security": []}
    body = {kind: {"schema": refs[says.body]} for kind in route.kinds} if says.body is not None else None
    return {
        "operationId": route.name,
        "summary": says.summary.rstrip("."),
        **({"description": says.more} if says.more else {}),
        "tags": [path.removeprefix(ROOT).split("/")[1]],
        **least,
        "parameters": [*_in_path(path, says.path), *_in_query(says.query), *_in_head(says.headers)],
        **({"requestBody": {"required": True, "content": body}} if body else {}),
        "responses": {str(says.status): _answer(says, refs), **_refusals(path, route, refs)},
    }


def _in_path(path: str, patterns: Mapping[str, str]) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_WORDS[name],
            "schema": {"type": "string", **({"pattern": patterns[name]} if name in patterns else {})},
        }
        for name in _PARAMETER.findall(path)
    ]


def _in_head(headers: Mapping[str, tuple[str, str]]) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "header",
            "required": True,
            "description": words,
            "schema": {"type": "string", "pattern": pattern},
        }
        for name, (words, pattern) in headers.items()
    ]


def _in_query(model: type[Asked]) -> list[Schema]:
    schema = model.model_json_schema(mode=_MODE, ref_template=_REF, schema_generator=Plain)
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": member.pop("description", ""),
            "schema": _without_null(member),
        }
        for name, member in schema.get("properties", {}).items()
    ]


def _without_null(schema: Schema) -> Schema:
    """A query has no null: what may be null may be left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    bare = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    bare = {key: value for key, value in bare.items() if key != "default" or value is not None}
    return {**kinds[0], **bare} if len(kinds) == 1 else {**bare, **({"anyOf": kinds} if kinds else {})}


def _answer(says: Says, refs: Mapping[type[BaseModel], Schema]) -> Schema:
    content: dict[str, Any] = {}
    if isinstance(says.answers, Lines):
        ends = {str(status): _codes(names) for status, names in says.answers.ends.items()}
        line = {"anyOf": [*_members(says.answers, refs), refs[Ending]]}
        content[NDJSON] = {"schema": {"type": "string"}, "x-itemSchema": line, "x-endings": ends}
    elif says.answers is not None:
        content["application/json"] = {"schema": refs[says.answers]}
    for kind, model in says.media.items():
        content[kind] = _medium(kind, model, refs)
    return {"description": says.summary.rstrip(".") + ".", "content": content}


def _medium(kind: str, model: type[Shown] | None, refs: Mapping[type[BaseModel], Schema]) -> Schema:
    if model is None:
        return {"schema": {} if kind == "application/json" else {"type": "string"}}
    if kind == NDJSON:
        return {"schema": {"type": "string"}, "x-itemSchema": refs[model]}
    return {"schema": refs[model]}


def _members(lines: Lines, refs: Mapping[type[BaseModel], Schema]) -> Iterator[Schema]:
    for name, schema in (("progress", refs[lines.progress]), ("result", refs[lines.result])):
        yield {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _refusals(path: str, route: RoleRoute, refs: Mapping[type[BaseModel], Schema]) -> dict[str, Schema]:
    """Every status that the route may say no with, with its codes."""
    says = _says(route)
    sources = [
        _EVERYWHERE,
        _WITH_TOKEN if route.least is not None else {},
        _WITH_BODY if says.body is not None else {},
        _OF_PROJECT if path.startswith(ROOT) else {},
        says.refusals,
    ]
    codes: dict[int, dict[str, None]] = {}
    for source in sources:
        for status, names in source.items():
            codes.setdefault(status, {}).update(dict.fromkeys(names))
    content = {"application/json": {"schema": refs[Refused]}}
    return {
        str(status): {"description": ", ".join(codes[status]), **_codes(codes[status]), "content": content}
        for status in sorted(codes)
    }


def _codes(names: Iterable[str]) -> Schema:
    """The codes for programs, where they are all that there are."""
    known = list(names)
    return {} if FAILED in known else {"x-codes": known}
