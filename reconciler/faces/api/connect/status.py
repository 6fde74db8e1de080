"""The dialect's word for how a connection is, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.engine.project import Project
from reconciler.engine.status import server_status
from reconciler.faces.api.connect.addresses import query_references
from reconciler.faces.api.connect.entries import Entry
from reconciler.model.secret import SecretRef, parse_template
from reconciler.sessions.http_failures import HttpRefused

_UNAUTHORIZED = 401


def state_of(entry: Entry, row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """`status` of a connection. `row` is its row of the status document, None before its first yes."""
    word = row["status"] if row else "disconnected"
    if word == "connected":
        return {"state": "connected"}
    if row is not None and row["authUrl"]:
        return {"state": "auth_required", "setupUrl": row["authUrl"], "authorizationUrl": row["authUrl"]}
    wanted = wanted_input(entry)
    if wanted is not None and (row is None or row["enabled"]):
        return wanted
    waits = next((pending for pending in entry.project.waiting.all if pending.server == entry.id), None)
    if waits is not None:
        message = f"waits for approval {waits.plan}: `reconciler approve {waits.plan}`"
        return {"state": "error", "message": message}
    failure = _failure(entry, row)
    return {"state": "disconnected"} if failure is None else {"state": "error", "message": failure}


def wants_sign_in(entry: Entry) -> bool:
    """Whether the server asked for a sign-in that nobody set up for it, and nothing else is shown to it."""
    worker = entry.project.worker(entry.id)
    failure = worker.life.failure if worker is not None and worker.life.failed_spec is not None else None
    if not isinstance(failure, HttpRefused) or failure.status != _UNAUTHORIZED:
        return False
    shows = {"oauth", "azure"} & entry.written.keys() or any(
        name.lower() == "authorization" for name in entry.written.get("headers", {})
    )
    return not shows and (failure.challenge or "").lstrip().lower().startswith("bearer")


def _failure(entry: Entry, row: Mapping[str, Any] | None) -> str | None:
    """Why the last try failed; it may be tried again at this very moment."""
    if row is None or row["status"] not in ("error", "connecting"):
        return None
    worker = entry.project.worker(entry.id)
    failed = worker is not None and worker.life.failed_spec is not None and worker.life.failure
    if failed:
        return entry.project.environment.hide(str(failed))
    return row["reason"] or "the server cannot be reached" if row["status"] == "error" else None


def wanted_input(entry: Entry) -> Mapping[str, Any] | None:
    """The status of a connection whose headers or query name something that is not set; None where all is there."""
    if "url" not in entry.written or entry.mock is not None:
        return None
    headers = dict(_headers(entry))
    query = dict(_query(entry))
    if not headers and not query:
        return None
    return {
        "state": "input_required",
        "http": {"headers": headers, "query": query},
        "missing": {"headers": list(headers), "query": list(query)},
    }


def _headers(entry: Entry) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for name, value in entry.written.get("headers", {}).items():
        unset = _unset(entry.project, parse_template(value).references)
        if unset:
            yield name, _field(name, unset)


def _query(entry: Entry) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for name, references in query_references(entry.written["url"]):
        unset = _unset(entry.project, references)
        if unset:
            yield name, _field(name, unset)


def _field(name: str, unset: list[str]) -> Mapping[str, Any]:
    return {"label": name, "description": f"{', '.join(unset)} is not set", "required": True}


def _unset(project: Project, references: Iterable[SecretRef]) -> list[str]:
    document = project.ledger.document
    return [str(reference) for reference in references if not project.environment.has(document, reference)]


def row_of(entry: Entry) -> Mapping[str, Any] | None:
    """The server's row of the status document; None before its first yes."""
    return server_status(entry.project, entry.id) if entry.accepted else None
