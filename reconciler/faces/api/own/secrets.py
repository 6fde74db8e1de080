"""`/api/v1/secrets`: storing and forgetting them, and which servers use which. Their values are never answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.config.references import secrets_mentioned
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.asked import body_of
from reconciler.faces.api.description import Asked, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.secret import SECRET_NAME
from reconciler.problems import errors
from reconciler.store.vault import LARGEST_VALUE, Secret, VaultError

T = TypeVar("T")

_STATUS = {"bad-name": 400, "bad-value": 400, "too-large": 413}


class NewValue(Asked):
    """What to store, at most 64 KiB of UTF-8."""

    value: Annotated[str, Field(min_length=1, max_length=LARGEST_VALUE)]


class SecretShown(Shown):
    """A stored secret, without its value. `version` grows with every value that is stored."""

    name: str
    version: int
    createdAt: str
    updatedAt: str
    servers: list[str] = Field(description="The servers that use it.")


class Missing(Shown):
    """A secret that servers use and nobody stored."""

    name: str
    servers: list[str]


class SecretsShown(Shown):
    """The stored secrets by name, and those that are missing."""

    secrets: list[SecretShown]
    missing: list[Missing]
    key: str | None = Field(description="Who keeps the key: keyring, file or environment; null before the first one.")


class Removed(Shown):
    """What was forgotten, and who still uses it."""

    removed: str
    servers: list[str]


_UNUSABLE = {503: ("vault-damaged", "vault-key", "vault-unreadable")}


def routes() -> list[RoleRoute]:
    """The routes of stored secrets, each with the role that it needs at least."""
    listing = Says("The stored secrets, without their values.", SecretsShown, refusals=_UNUSABLE)
    refused = {400: ("bad-name", "bad-value"), 413: ("too-large",), **_UNUSABLE}
    named = {"name": f"^{SECRET_NAME.pattern}$"}
    storing = Says("Store a secret, or another value of it.", SecretShown, body=NewValue, refusals=refused, path=named)
    forgetting = Says("Forget a secret.", Removed, refusals={404: ("unknown-secret",), **_UNUSABLE})
    return [
        RoleRoute("/secrets", get_secrets, "operator", says=listing),
        RoleRoute("/secrets/{name}", put_secret, "operator", "PUT", says=storing),
        RoleRoute("/secrets/{name}", delete_secret, "operator", "DELETE", says=forgetting),
    ]


async def get_secrets(request: Request) -> JSONResponse:
    project = project_of(request)
    uses, stored = await _uses(project), await _ask(project.vault.list)
    known = {secret.name for secret in stored}
    missing = [{"name": name, "servers": servers} for name, servers in sorted(uses.items()) if name not in known]
    rows = [_shown(secret, uses) for secret in stored]
    return JSONResponse({"secrets": rows, "missing": missing, "key": await _ask(project.vault.key_holder)})


async def put_secret(request: Request) -> JSONResponse:
    project, name = project_of(request), request.path_params["name"]
    value = body_of(request, NewValue).value
    if not SECRET_NAME.fullmatch(name):
        raise HttpProblem(400, "bad-name", "a secret's name has letters, digits, dots, dashes and underscores")
    await _ask(lambda: project.vault.put(name, value))
    secret = next((each for each in await _ask(project.vault.list) if each.name == name), None)
    if secret is None:
        raise _unknown(name)
    project.events.say("secret", f"{principal(request).name} stored {name}, version {secret.version}")
    project.secrets.look()
    return JSONResponse(_shown(secret, await _uses(project)))


async def delete_secret(request: Request) -> JSONResponse:
    project, name = project_of(request), request.path_params["name"]
    if not SECRET_NAME.fullmatch(name) or not await _ask(lambda: project.vault.remove(name)):
        raise _unknown(name)
    project.events.say("secret", f"{principal(request).name} removed {name}")
    project.secrets.look()
    return JSONResponse({"removed": name, "servers": (await _uses(project)).get(name, [])})


async def _uses(project: Project) -> dict[str, list[str]]:
    """Secret -> servers, of what is accepted and of what the file says now."""
    documents = [project.ledger.document]
    snapshot = await project.read()
    if not errors(snapshot.reading.problems):
        documents.append(project.desired(snapshot))
    uses: dict[str, set[str]] = {}
    for document in documents:
        for name, servers in secrets_mentioned(document).items():
            uses.setdefault(name, set()).update(servers)
    return {name: sorted(servers) for name, servers in uses.items()}


def _shown(secret: Secret, uses: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        "name": secret.name,
        "version": secret.version,
        "createdAt": secret.created_at,
        "updatedAt": secret.updated_at,
        "servers": uses.get(secret.name, []),
    }


def _unknown(name: str) -> HttpProblem:
    return HttpProblem(404, "unknown-secret", f'no secret named "{name:.128}" is stored')


async def _ask(work: Callable[[], T]) -> T:
    """In a thread, since a keyring may take its time. Raises HttpProblem with the way out as `hint`."""
    try:
        return await asyncio.to_thread(work)
    except VaultError as error:
        raise HttpProblem(_STATUS.get(error.code, 503), error.code, str(error), hint=error.hint) from error
    except OSError as error:
        raise HttpProblem(503, "vault-unreadable", f"the vault does not answer: {error.strerror or error}") from error
