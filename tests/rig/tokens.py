"""A server that wants a token, and the place that gives tokens out: behaviours for EvilHttp, told what to say.

async with EvilHttp(house := House()) as there, EvilHttp(wants(house, mcp())) as server: ...
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.canary import CANARY
from tests.rig.evil_http import Behaviour, Connection, Request

RESOURCE = "/.well-known/oauth-protected-resource"
ISSUER = "/.well-known/oauth-authorization-server"


def document(value: Any, status: int = 200, **headers: str) -> Behaviour:
    """Answer with this as JSON."""

    async def behave(request: Request, connection: Connection) -> None:
        body = json.dumps(value).encode()
        await connection.answer(status, body, {name.replace("_", "-"): text for name, text in headers.items()})

    return behave


def token_number(number: int) -> str:
    """What a House gives out; nothing of it may ever be seen."""
    return f"{CANARY}-token-{number}"


def form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent."""
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def basic(request: Request) -> tuple[str, str] | None:
    """Who a request says it is of in Basic authentication, decoded as OAuth says."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return None
    name, _, secret = base64.b64decode(value).decode().partition(":")
    return unquote(name), unquote(secret)


@dataclass
class House:
    """Gives out tokens at `/token`, each for `lifetime` seconds; `answers` are said first, in order, instead of one.

    `pages` are further documents or behaviours by path; `asked` are the requests for tokens. `good` is what still
    holds: `given` without what was taken back.
    """

    lifetime: Any = 3600
    pages: dict[str, Any] = field(default_factory=dict)
    answers: list[Behaviour] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    good: set[str] = field(default_factory=set)

    async def __call__(self, request: Request, connection: Connection) -> None:
        path = request.target.partition("?")[0]
        if request.method == "POST" and path.endswith("/token"):
            await self._give(request, connection)
            return
        page = self.pages.get(path)
        await (page if callable(page) else document(page or {}, 200 if page else 404))(request, connection)

    async def _give(self, request: Request, connection: Connection) -> None:
        self.asked.append(request)
        if self.answers:
            await self.answers.pop(0)(request, connection)
            return
        token = token_number(len(self.given) + 1)
        self.given.append(token)
        self.good.add(token)
        told = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        await document({name: value for name, value in told.items() if value is not None})(request, connection)

    def take_back(self) -> None:
        """No token of before holds any more."""
        self.good.clear()

    def metadata(self, url: str, **more: Any) -> dict[str, Any]:
        """What an issuer says of itself (RFC 8414)."""
        return {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            **more,
        }


def wants(
    house: House, inner: Behaviour, challenge: str = "Bearer", pages: Mapping[str, Any] | None = None
) -> Behaviour:
    """A server that refuses whoever shows no good token of `house`; its `pages` are open."""
    told = pages if pages is not None else {}

    async def behave(request: Request, connection: Connection) -> None:
        if request.target in told:
            page = told[request.target]
            await (page if callable(page) else document(page))(request, connection)
        elif request.headers.get("authorization", "").removeprefix("Bearer ") not in house.good:
            missing = request.target.startswith("/.well-known")
            headers = {} if missing else {"www-authenticate": challenge}
            await connection.answer(404 if missing else 401, b'{"error":"invalid_token"}', headers)
        else:
            await inner(request, connection)

    return behave
