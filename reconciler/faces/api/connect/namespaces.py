"""`/namespaces` and `/health`: a namespace is a project of this engine."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reconciler.faces.api.access import RoleRoute


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return [RoleRoute("/health", health, None)]


async def health(_: Request) -> JSONResponse:
    """For everybody."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return JSONResponse({"status": "ok", "timestamp": now})
