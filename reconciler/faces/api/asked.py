"""What a request asks for, held to the description of its route before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from reconciler.faces.api.description import Asked, Says
from reconciler.faces.http.body import json_body
from reconciler.faces.http.problems import HttpProblem

A = TypeVar("A", bound=Asked)

_MOST_PLACES = 20
_MOST_LOOKED_AT = 1000
"""Mistakes; looking at each of a million takes seconds."""
_LONGEST_STEP = 100


async def read_asked(request: Request, says: Says) -> None:
    """Have `query_of` and `body_of` know what is asked. Raises HttpProblem 400, 413."""
    query = _read(says.query, _query(request), "?")
    body = _read(says.body, await json_body(request, most=says.largest), "/") if says.body is not None else None
    request.scope["asked"] = (query, body)


def query_of(request: Request, model: type[A]) -> A:
    """The query, of a route that says it has this one."""
    query, _ = request.scope["asked"]
    assert isinstance(query, model)
    return query


def body_of(request: Request, model: type[A]) -> A:
    """The body, of a route that says it has this one."""
    _, body = request.scope["asked"]
    assert isinstance(body, model)
    return body


def _query(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _refusal([(f"?{_short(twice)}", "must not stand there twice")])
    return dict(pairs)


def _read(model: type[A], given: dict[str, Any], root: str) -> A:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        if error.error_count() > _MOST_LOOKED_AT:
            raise _refusal([(root, f"has {error.error_count()} mistakes")]) from None
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise _refusal((_place(one, given, root), _sentence(one)) for one in found) from None


def _refusal(found: Iterable[tuple[str, str]]) -> HttpProblem:
    places = [{"place": place, "message": message} for place, message in dict.fromkeys(found)][:_MOST_PLACES]
    first = places[0]
    where = "the query" if first["place"].startswith("?") else "the body"
    message = f"{where} is not as described: {first['place']} {first['message']}"
    return HttpProblem(400, "bad-query" if where == "the query" else "bad-body", message, places=places)


def _place(one: Any, value: Any, root: str) -> str:
    """Where it stands. The tags of unions, which a location has too, are no steps into the value."""
    steps = []
    for step in one["loc"]:
        if (isinstance(value, dict) and step in value) or (isinstance(value, list) and isinstance(step, int)):
            value = value[step]
        elif one["type"] != "missing":
            continue
        steps.append(_short(str(step)))
    if root == "?":
        return "?" + "".join(steps[:1])
    return "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_STEP else f"{text[:_LONGEST_STEP]}..."


def _sentence(one: Any) -> str:
    match one["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here"
        case "value_error":
            return str(one["msg"]).removeprefix("Value error, ")
        case _:
            return f"is wrong: {str(one['msg'])[:1].lower()}{str(one['msg'])[1:]}"
