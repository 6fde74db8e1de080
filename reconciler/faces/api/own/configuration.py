"""`/api/v1/config` and `plan`: what the files say, changing it by a merge patch, and what would come of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.change import Invalid, plan_file
from reconciler.engine.door import ChangeRefused, change, prospect
from reconciler.engine.project import Project
from reconciler.faces.api.access import JSON, MERGE_PATCH, RoleRoute, principal, require
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.description import Asked, Digits, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.own.applying import AppliedShown
from reconciler.faces.api.own.status import PendingShown
from reconciler.faces.http.preconditions import entity_tag, expected
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.document import Document, hidden
from reconciler.plan.document import to_document
from reconciler.problems import Problem, errors

LONGEST_WAIT = 120
_STATUS = {
    "not-allowed": 403,
    "read-only": 403,
    "held": 409,
    "blocked": 409,
    "edit-refused": 409,
    "stale": 412,
    "own-setting": 422,
    "too-many-held": 429,
    "not-recorded": 503,
    "vault": 503,
}
NOT_CHANGED: Mapping[int, tuple[str, ...]] = {
    403: ("read-only",),
    409: ("held", "invalid", "blocked", "edit-refused"),
    412: ("stale",),
    422: ("invalid", "own-setting"),
    429: ("too-many-held",),
    503: ("not-recorded", "vault"),
}
"""Why the files stay as they are."""


class ConfigurationShown(Shown):
    """The configuration as written in the file and its overlays; a literal secret is `***`."""

    model_config = ConfigDict(extra="allow")

    mcpServers: dict[str, dict[str, Any]]


class MergePatch(Asked):
    """A merge patch (RFC 7396) of the configuration: null removes, `***` keeps what is stored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", defer_build=True)


class ChangeQuery(Asked):
    """How long to wait."""

    wait: Digits = Field(default=0, description="Seconds that sessions have to become so, at most 120.")


class ChangedShown(Shown):
    """What a change came to: what was taken up, what of it waits for a yes, and the configuration as it is now."""

    applied: AppliedShown
    pending: list[PendingShown]
    config: ConfigurationShown


class PlanBody(Asked):
    """What to plan: what the file says now, or what a patch of it would cause."""

    patch: dict[str, Any] | None = Field(default=None, description="As for PATCH; an editor may ask for it.")


class PlanShown(Shown):
    """The plan document of `plan -o json`; its schema is published as plan-1.schema.json."""

    format: str
    formatVersion: str
    id: str
    digest: str
    project: str
    patch: dict[str, Any]
    actions: list[dict[str, Any]]
    summary: dict[str, Any]


_IF_MATCH = r'^(\*|"[!#-~]*")$'
_GET = Says(
    "What the files say", ConfigurationShown, refusals={422: ("invalid",)}, more="ETag says which version it is."
)
_PATCH = Says(
    "Change what the files say",
    ChangedShown,
    query=ChangeQuery,
    body=MergePatch,
    refusals={**NOT_CHANGED, 400: ("bad-if-match",), 428: ("if-match-needed",)},
    headers={"If-Match": ("Which version is to be changed: the ETag of GET, or *.", _IF_MATCH)},
    more="If-Match names the version that it is for, or is `*`. What an operator writes is taken up; of what an editor "
    "writes, all that runs, contacts or allows more waits for a yes.",
)
_PLAN = Says("What would be done", PlanShown, body=PlanBody, refusals=NOT_CHANGED)


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/config", get_config, "viewer", says=_GET),
        RoleRoute("/config", patch_config, "editor", "PATCH", kinds=(JSON, MERGE_PATCH), says=_PATCH),
        RoleRoute("/plan", post_plan, "viewer", "POST", says=_PLAN),
    ]


async def get_config(request: Request) -> JSONResponse:
    snapshot = await project_of(request).read()
    written = snapshot.reading.written
    if written is None:
        raise invalid(snapshot.reading.problems)
    return JSONResponse(_shown(written), headers={"etag": entity_tag(snapshot.etag)})


async def patch_config(request: Request) -> JSONResponse:
    project, patch = project_of(request), body_of(request, MergePatch).model_extra or {}
    if not request.headers.get("if-match", "").strip():
        message = "say in If-Match which version is to be changed: the ETag of GET, or *"
        raise HttpProblem(428, "if-match-needed", message)
    if_match = expected(request, (await project.read()).etag)
    wait = min(query_of(request, ChangeQuery).wait, LONGEST_WAIT)
    try:
        changed = await change(project, patch, if_match=if_match, principal=principal(request), wait=wait)
    except ChangeRefused as refused:
        raise not_changed(project, refused) from refused
    body = {
        "applied": {**changed.applied.to_json(), "id": changed.plan_id},
        "pending": [pending.to_json() for pending in changed.waits],
        "config": _shown(changed.written),
    }
    return JSONResponse(body, headers={"etag": entity_tag(changed.etag)})


async def post_plan(request: Request) -> JSONResponse:
    project, patch = project_of(request), body_of(request, PlanBody).patch
    if patch is None:
        plan = await plan_file(project)
        if isinstance(plan, Invalid):
            raise invalid(plan.problems)
        return JSONResponse(to_document(plan))
    require(request, "editor", "planning a change of the file")
    try:
        found = await prospect(project, patch, if_match=None, principal=principal(request))
    except ChangeRefused as refused:
        raise not_changed(project, refused) from refused
    return JSONResponse(to_document(found.plan))


def _shown(written: Mapping[str, Any]) -> dict[str, Any]:
    return Document(written, hide=hidden).masked()


def invalid(problems: tuple[Problem, ...]) -> HttpProblem:
    found = [problem.to_json() for problem in problems]
    return HttpProblem(422, "invalid", "the configuration has errors", problems=found)


def not_changed(project: Project, refused: ChangeRefused) -> HttpProblem:
    """Why the files stay as they are; 409 `invalid` where they had mistakes before."""
    status = _STATUS.get(refused.code, 422 if refused.problems else 409)
    problems = refused.problems or (errors(project.followed.problems) if refused.code == "invalid" else ())
    more: dict[str, Any] = {"problems": [problem.to_json() for problem in problems]} if problems else {}
    if refused.patch is not None:
        more["patch"] = refused.patch
    return HttpProblem(status, refused.code, project.environment.hide(str(refused)), **more)
