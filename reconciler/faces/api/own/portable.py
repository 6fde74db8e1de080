"""`/api/v1/export` and `import`: the configuration for another place, and the servers of another file for this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.config.bring import Brought, NothingToBring, bring
from reconciler.config.print import Style, member_lines
from reconciler.engine.door import ChangeRefused, change, prospect
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.description import Asked, Flag, Says, Shown
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.api.own.applying import AppliedShown
from reconciler.faces.api.own.configuration import (
    NOT_CHANGED,
    ConfigurationShown,
    PlanShown,
    invalid,
    not_changed,
)
from reconciler.faces.api.own.status import PendingShown
from reconciler.faces.http.preconditions import expected
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.document import hidden, masked_document
from reconciler.plan.document import to_document

YAML = "application/yaml"
_EMPTY: Mapping[str, Any] = {"applied": None, "pending": [], "plan": None}


class Incoming(Asked):
    """A whole configuration, or what a client keeps: servers by id under `mcpServers` or `servers`, one of the two."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="allow",
        defer_build=True,
        json_schema_extra={"oneOf": [{"required": ["mcpServers"]}, {"required": ["servers"]}]},
    )

    mcpServers: dict[str, dict[str, Any]] = Field(default={})
    servers: dict[str, dict[str, Any]] = Field(default={})


class ImportQuery(Asked):
    """Whether to do it."""

    dryRun: Flag = Field(default=False, description="Only say what would come of it.")


class RenamedShown(Shown):
    """A server whose id means another one here; it came under the id `into`."""

    id: str
    into: str
    name: str


class Imported(Shown):
    """What came, and what of it waits for a yes. Of a dry run, `plan` is what it would cause.

    `unchanged` is here already; `ignored` are members of the document that are not taken over.
    """

    dryRun: bool
    added: list[str]
    renamed: list[RenamedShown]
    unchanged: list[str]
    ignored: list[str]
    plan: PlanShown | None
    applied: AppliedShown | None
    pending: list[PendingShown]


_EXPORT = Says(
    "The configuration for another place",
    ConfigurationShown,
    media={YAML: None},
    refusals={422: ("invalid",)},
    more="Secrets are references, or `***` where the file holds a literal. YAML where `Accept` names it.",
)
_IMPORT = Says(
    "Take over the servers of another file",
    Imported,
    query=ImportQuery,
    body=Incoming,
    refusals={**NOT_CHANGED, 400: ("nothing-to-bring", "bad-if-match"), 409: (*NOT_CHANGED[409], "exists")},
    more="Nothing that is here changes: where an id is taken, the server comes as `<id>-v2` with the name "
    '"Name (v2)". Of what an editor brings, all that runs, contacts or allows more waits for a yes.',
)


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/export", get_export, "viewer", says=_EXPORT),
        RoleRoute("/import", post_import, "editor", "POST", says=_IMPORT),
    ]


async def get_export(request: Request) -> Response:
    snapshot = await project_of(request).read()
    written = snapshot.reading.written
    if written is None:
        raise invalid(snapshot.reading.problems)
    document, varies = masked_document(written, hidden), {"vary": "accept"}
    if takes(request, YAML):
        return Response(_yaml(document), media_type=YAML, headers=varies)
    return JSONResponse(document, headers=varies)


def _yaml(document: Mapping[str, Any]) -> str:
    lines = [line for key, value in document.items() for line in member_lines(key, value, 0, Style())]
    return "\n".join(lines) + "\n"


async def post_import(request: Request) -> JSONResponse:
    project, body = project_of(request), body_of(request, Incoming)
    dry = query_of(request, ImportQuery).dryRun
    try:
        found = bring((await _written(project)), body.model_dump(exclude_unset=True))
    except NothingToBring as error:
        raise HttpProblem(400, "nothing-to-bring", str(error)) from error
    came = _came(found, dry)
    if not found.patch:
        return JSONResponse({**came, **_EMPTY})
    try:
        return JSONResponse({**came, **await (_plan if dry else _write)(request, project, found)})
    except ChangeRefused as refused:
        raise not_changed(project, refused) from refused


async def _written(project: Project) -> Mapping[str, Any]:
    """What the files say; with errors in them nothing is brought, as the door says better than we could."""
    return (await project.read()).reading.written or {"mcpServers": {}}


def _came(found: Brought, dry: bool) -> dict[str, Any]:
    renamed = [{"id": each.id, "into": each.into, "name": each.name} for each in found.renamed]
    return {
        "dryRun": dry,
        "added": list(found.added),
        "renamed": renamed,
        "unchanged": list(found.unchanged),
        "ignored": list(found.ignored),
    }


async def _plan(request: Request, project: Project, found: Brought) -> dict[str, Any]:
    asks = principal(request)
    seen = await prospect(project, found.patch, if_match=None, principal=asks, fresh=found.fresh)
    return {**_EMPTY, "plan": to_document(seen.plan)}


async def _write(request: Request, project: Project, found: Brought) -> dict[str, Any]:
    asks = principal(request)
    if_match = expected(request, (await project.read()).etag)
    changed = await change(project, found.patch, if_match=if_match, principal=asks, wait=0, fresh=found.fresh)
    pending = [each.to_json() for each in changed.waits]
    return {**_EMPTY, "applied": {**changed.applied.to_json(), "id": changed.plan_id}, "pending": pending}
