"""`/api/v1/export/sealed` and `import/sealed`: servers with their secrets, in a file that only a passphrase opens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.config.explorer import Remark
from reconciler.config.pack import NothingToPack
from reconciler.config.unpack import BadPayload, NoSuchServer
from reconciler.engine.door import Changed, ChangeRefused
from reconciler.engine.portable import FileInvalid, export_servers, import_servers, preview_import
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.description import Asked, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.own.applying import AppliedShown
from reconciler.faces.api.own.configuration import NOT_CHANGED, PlanShown, invalid, not_changed
from reconciler.faces.api.own.portable import ImportQuery, RenamedShown
from reconciler.faces.api.own.status import PendingShown
from reconciler.faces.http.body import MAX_BODY
from reconciler.faces.http.problems import HttpProblem
from reconciler.plan.document import to_document
from reconciler.store.export_file import LARGEST_FILE, ExportRefused, ExportTooLarge, WeakPassphrase
from reconciler.store.portable import NotEnoughMemory, open_servers
from reconciler.store.vault import VaultError

Passphrase = Annotated[str, Field(max_length=4096)]
REFUSED = ("not-ours", "newer-version", "damaged", "wrong-passphrase", "altered")


class ToSeal(Asked):
    """What to export, and under which passphrase: 12 characters or more without a pattern."""

    passphrase: Passphrase
    servers: list[str] | None = Field(default=None, description="Their ids; all of them where this is left out.")
    format: Literal["reconciler", "mcp-explorer"] = Field(default="reconciler", description="Who is to read it.")


class RemarkShown(Shown):
    """What has no place in the other format. `name` is the server's, `field` null for all of it."""

    name: str
    field: str | None
    text: str


class SealedShown(Shown):
    """A file, as text. `missing` are secrets that these servers name and nobody stored."""

    file: str
    servers: list[str]
    missing: list[str]
    leftOut: list[RemarkShown]


class ToOpen(Asked):
    """A file that was exported here or by MCP Explorer, as text. What runs a program comes switched off."""

    file: Annotated[str, Field(max_length=LARGEST_FILE)]
    passphrase: Passphrase
    run: list[str] = Field(default=[], description="Servers that come switched on all the same, by their ids here.")


class RowShown(Shown):
    """One server that comes. `was` is its id in the file, `does` its command line or address."""

    id: str
    was: str
    name: str
    does: str
    about: list[str]
    needs: list[str] = Field(description="What a person has to do or to see first.")
    off: bool = Field(description="Whether it comes switched off until a person wants it on.")


class OpenedShown(Shown):
    """What came, and what of it waits for a yes. Of a dry run, `plan` is what it would cause.

    `unchanged` is here already; `ignored` are members of the file that this release does not know; `secrets` are the
    names under which values were stored, `renamedSecrets` those whose name holds another value here.
    """

    dryRun: bool
    ready: list[RowShown]
    needsYou: list[RowShown]
    commands: list[RowShown]
    renamed: list[RenamedShown]
    unchanged: list[str]
    secrets: list[str]
    renamedSecrets: dict[str, str]
    remarks: list[RemarkShown]
    ignored: list[str]
    plan: PlanShown | None
    applied: AppliedShown | None
    pending: list[PendingShown]


_VAULT = ("vault-damaged", "vault-key", "vault-unreadable")
_EXPORT = Says(
    "Servers with their stored secrets, sealed",
    SealedShown,
    body=ToSeal,
    refusals={
        404: ("nothing-to-export",),
        413: ("too-large",),
        422: ("invalid", "weak-passphrase"),
        503: _VAULT,
    },
    more="AES-256-GCM under a key from the passphrase. Sign-ins are no part of it.",
)
_IMPORT = Says(
    "Take over the servers of a sealed file",
    OpenedShown,
    query=ImportQuery,
    body=ToOpen,
    refusals={
        **NOT_CHANGED,
        404: ("unknown-server",),
        409: (*NOT_CHANGED[409], "exists"),
        422: (*NOT_CHANGED[422], *REFUSED, "bad-payload"),
        503: (*NOT_CHANGED.get(503, ()), "memory"),
    },
    largest=LARGEST_FILE + MAX_BODY,
    more="Nothing that is here changes: where an id is taken, the server comes as `<id>-v2`, and a secret whose name "
    "holds another value as `<NAME>-2`. What would run a program, or would get something of this machine, is off.",
)


WHY_NOT = (ExportRefused, ExportTooLarge, NoSuchServer, NotEnoughMemory, NothingToPack, VaultError, WeakPassphrase)
"""What has a code and a hint of its own."""
_STATUS = {
    "nothing-to-export": 404,
    "unknown-server": 404,
    "too-large": 413,
    **dict.fromkeys(("memory", *_VAULT), 503),
}
"""Of those; the rest are 422."""


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least: secrets go where an operator says."""
    return [
        RoleRoute("/export/sealed", export_sealed, "operator", "POST", says=_EXPORT),
        RoleRoute("/import/sealed", import_sealed, "operator", "POST", says=_IMPORT),
    ]


async def export_sealed(request: Request) -> JSONResponse:
    project, asked = project_of(request), body_of(request, ToSeal)
    with said(project):
        sealed = await export_servers(project, asked.servers, asked.passphrase, asked.format, principal(request))
    return JSONResponse(
        {
            "file": sealed.data.decode("ascii"),
            "servers": list(sealed.servers),
            "missing": list(sealed.missing),
            "leftOut": _remarks(sealed.left_out),
        }
    )


async def import_sealed(request: Request) -> JSONResponse:
    project, asks, asked = project_of(request), principal(request), body_of(request, ToOpen)
    dry = query_of(request, ImportQuery).dryRun
    with said(project):
        opened = await asyncio.to_thread(open_servers, asked.file.encode("utf-8"), asked.passphrase)
        if dry:
            found = await preview_import(project, opened, asks, asked.run)
            came, became = found.merged, {"plan": to_document(found.prospect.plan)}
        else:
            came, changed = await import_servers(project, opened, asks, asked.run)
            became = _became(changed)
    return JSONResponse({"dryRun": dry, **came.to_json(), "remarks": _remarks(opened.remarks), **_NOTHING, **became})


_NOTHING: dict[str, Any] = {"plan": None, "applied": None, "pending": []}


def _became(changed: Changed) -> dict[str, Any]:
    pending = [each.to_json() for each in changed.waits]
    return {"applied": {**changed.applied.to_json(), "id": changed.plan_id}, "pending": pending}


def _remarks(remarks: tuple[Remark, ...]) -> list[dict[str, Any]]:
    return [remark._asdict() for remark in remarks]


@contextmanager
def said(project: Project) -> Iterator[None]:
    """Whatever keeps servers from going out or coming in, as an HttpProblem with the way out as `hint`."""
    try:
        yield
    except ChangeRefused as refused:
        raise not_changed(project, refused) from refused
    except FileInvalid as error:
        raise invalid(error.problems) from None
    except BadPayload as error:
        problems = [problem.to_json() for problem in error.problems]
        raise HttpProblem(422, error.code, str(error), hint=error.hint, problems=problems) from None
    except WHY_NOT as error:
        raise HttpProblem(_STATUS.get(error.code, 422), error.code, str(error), hint=error.hint) from None
    except OSError as error:
        raise HttpProblem(503, "vault-unreadable", f"the vault does not answer: {error.strerror or error}") from error
