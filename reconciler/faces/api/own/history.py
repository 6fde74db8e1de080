"""`/api/v1/history` and `rollback`: what was applied, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from reconciler.engine.project import Project
from reconciler.engine.rollback import NoSuchSerial, Refused, Target, patch_to, roll_back
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.description import Asked, Digits, Lines, Says, Shown, Whole
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.own.applying import AppliedShown, Begun, Tell, applied_json, reporter
from reconciler.faces.api.said import SaysYes, consent_of
from reconciler.faces.http.lines import in_lines
from reconciler.faces.http.problems import HttpProblem


class Past(Shown):
    """One applied plan."""

    serial: int
    at: str
    who: str
    plan: str
    result: str
    summary: dict[str, int]


class History(Shown):
    """The last applied plans, the newest first."""

    history: list[Past]


class BackQuery(Asked):
    """Where to."""

    serial: Digits | None = Field(default=None, description="The serial to go back to; the one before the last.")


class Back(Shown):
    """The merge patch that would bring the file back to what it was at `serial`; literal secrets are `***`."""

    serial: int
    patch: dict[str, Any]


class BackBody(SaysYes):
    """Where to, and the consent to what it causes."""

    serial: Whole


_BACK = Says(
    "What the way back would change",
    Back,
    query=BackQuery,
    refusals={404: ("unknown-serial",), 409: ("edit-refused",)},
)
_ROLLBACK = Says(
    "Write the way back into the file, and apply it",
    Lines(Begun, AppliedShown, {404: ("unknown-serial",), 409: ("edit-refused", "held"), 422: ("invalid",)}),
    body=BackBody,
)


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/history", get_history, "viewer", says=Says("What was applied", History)),
        RoleRoute("/rollback", get_rollback, "viewer", says=_BACK),
        RoleRoute("/rollback", post_rollback, "operator", "POST", says=_ROLLBACK),
    ]


async def get_history(request: Request) -> JSONResponse:
    return JSONResponse({"history": await project_of(request).records.history()})


async def get_rollback(request: Request) -> JSONResponse:
    target = await _target(project_of(request), query_of(request, BackQuery).serial)
    return JSONResponse({"serial": target.serial, "patch": target.masked})


async def post_rollback(request: Request) -> StreamingResponse:
    project, body = project_of(request), body_of(request, BackBody)
    consent = consent_of(request, body)

    async def work(tell: Tell) -> Mapping[str, Any]:
        target = await _target(project, body.serial)
        try:
            return applied_json(await roll_back(project, target, consent, reporter(tell)))
        except Refused as refused:
            raise HttpProblem(409, "edit-refused", str(refused), patch=target.masked) from refused

    return in_lines(work)


async def _target(project: Project, serial: int | None) -> Target:
    try:
        return await patch_to(project, serial)
    except NoSuchSerial as error:
        raise HttpProblem(404, "unknown-serial", str(error)) from error
    except Refused as refused:
        raise HttpProblem(409, "edit-refused", str(refused)) from refused
