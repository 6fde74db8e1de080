"""An authorization server and the MCP server that it protects, over real HTTP in this process.

    async with OAuthServer() as server: ... server.url ... await server.browse(auth_url) ...

`/authorize` approves at once, clients register themselves, refresh tokens can rotate. `counts` says what was asked how
often; the attributes are switches, to be set at any time, for what it does otherwise or wrongly.
"""

import asyncio
import base64
import hashlib
import json
import logging
import secrets
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.canary import CANARY

TOOLS = [
    {"name": name, "description": name, "inputSchema": {"type": "object"}} for name in ("whoami", "write", "administer")
]
Hold = Callable[[str], Awaitable[None]]


@dataclass
class Code:
    """What `/authorize` gave out."""

    client: str
    redirect: str
    challenge: str
    scope: str
    resource: str | None


def _secret() -> str:
    """Another one each time, of which nothing may ever be seen."""
    return f"{CANARY}.{secrets.token_urlsafe(9)}"


def _shown_by(request: Request, form: dict[str, str]) -> tuple[str, str | None]:
    """The client and its secret, from the `Authorization` header (RFC 6749, 2.3.1) or the form, never both."""
    kind, _, pair = request.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return form.get("client_id", ""), form.get("client_secret")
    assert "client_secret" not in form
    client, _, secret = base64.b64decode(pair).decode().partition(":")
    return unquote_plus(client), unquote_plus(secret)


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class OAuthServer:
    """`counts`: prm, metadata, register, authorize, code, refresh, mcp, refused."""

    def __init__(self, port: int = 0, *, person: str = "ada") -> None:
        self.person = person
        self.counts: Counter[str] = Counter()
        self.lifetime: int | None = 3600
        self.rotates = False
        self.gives_refresh = True
        self.token: dict[str, Any] = {}
        """Further members of every token, or others than usual."""
        self.issuer_path = "/as"
        self.prm: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.iss: str | None = "right"
        """In the answer of `/authorize`: right, None for none, or any other text."""
        self.client: dict[str, Any] = {}
        """What a registration answers besides the client id, None for nothing; for a `client_secret` one is made, and
        asked for."""
        self.registers = True
        self.refusal: tuple[int, dict[str, Any]] | None = None
        """How refresh tokens are refused."""
        self.needs: dict[str, str] = {}
        """Tool -> the scope that it takes."""
        self.scope: str | None = None
        """Named in the challenge."""
        self.grants: str | None = None
        """The scope that is granted instead of what is asked for."""
        self.broken: dict[str, int] = {}
        """Status of every answer about: prm, metadata, register, token."""
        self.hold: Hold | None = None
        """Awaited with `arrived`, `rotated` while a refresh token is exchanged, and with `used` when one is first."""
        self.clients: dict[str, str | None] = {}
        self.access: dict[str, str] = {}
        self.refresh: dict[str, str] = {}
        self.seen: list[httpx2.Headers] = []
        self.forms: list[dict[str, str]] = []
        self.authorized: list[dict[str, str]] = []
        self._codes: dict[str, Code] = {}
        self._bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bound.bind(("127.0.0.1", port))
        self.port: int = self._bound.getsockname()[1]

    async def __aenter__(self) -> Self:
        quiet = {"log_config": None, "log_level": logging.CRITICAL, "ws": "none", "timeout_graceful_shutdown": 0}
        self._running = _Uvicorn(uvicorn.Config(self._app(), lifespan="off", **quiet))
        self._task = asyncio.create_task(self._running.serve([self._bound]))
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._running.should_exit = True
        await self._task
        self._bound.close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The MCP endpoint."""
        return f"{self.origin}/mcp"

    @property
    def issuer(self) -> str:
        return f"{self.origin}{self.issuer_path}"

    def expire(self) -> None:
        """No access token holds any more; refresh tokens do."""
        self.access.clear()

    def forget(self) -> None:
        """Nothing that was given out holds any more."""
        self.access.clear()
        self.refresh.clear()

    async def browse(self, page: str) -> str:
        """What a browser does at the sign-in page: where it is sent next."""
        async with httpx2.AsyncClient() as browser:
            response = await browser.get(page)
        assert response.status_code == 302, response.text
        return str(response.headers["location"])

    async def answer(self, page: str) -> dict[str, str]:
        """The same as the parameters that the browser brings back: state, code, iss."""
        query = parse_qs(urlsplit(await self.browse(page)).query)
        return {name: values[0] for name, values in query.items()}

    def _app(self) -> Starlette:
        def post(path: str, endpoint: Any) -> Route:
            return Route(path, endpoint, methods=["POST"])

        well_known = "/.well-known/oauth-authorization-server"
        return Starlette(
            routes=[
                Route("/mcp", self._mcp, methods=["GET", "POST", "DELETE"]),
                Route("/.well-known/oauth-protected-resource/mcp", self._prm),
                Route(f"{well_known}/{{name}}", self._metadata),
                Route(f"{well_known}", self._metadata),
                Route("/{name}/authorize", self._authorize),
                post("/{name}/register", self._register),
                post("/{name}/token", self._token),
            ]
        )

    async def _prm(self, request: Request) -> Response:
        self.counts["prm"] += 1
        if "prm" in self.broken:
            return Response(status_code=self.broken["prm"])
        return JSONResponse({"resource": self.url, "authorization_servers": [self.issuer], **self.prm})

    async def _metadata(self, request: Request) -> Response:
        self.counts["metadata"] += 1
        if "metadata" in self.broken:
            return Response(status_code=self.broken["metadata"])
        issuer = f"{self.origin}/{request.path_params['name']}" if "name" in request.path_params else self.origin
        known = {
            "issuer": issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "registration_endpoint": f"{self.issuer}/register",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse({name: value for name, value in (known | self.metadata).items() if value is not None})

    async def _register(self, request: Request) -> Response:
        self.counts["register"] += 1
        if "register" in self.broken:
            return Response(status_code=self.broken["register"])
        if not self.registers:
            return JSONResponse({"error": "invalid_client_metadata"}, 403)
        told, client = await request.json(), f"client-{len(self.clients) + 1}"
        secret = _secret() if "client_secret" in self.client else None
        self.clients[client] = secret
        method = {"token_endpoint_auth_method": "client_secret_post" if secret else "none"}
        made = {**method, **told, **self.client, "client_secret": secret, "client_id": client}
        return JSONResponse({name: value for name, value in made.items() if value is not None}, 201)

    async def _authorize(self, request: Request) -> Response:
        self.counts["authorize"] += 1
        asked = dict(request.query_params)
        self.authorized.append(asked)
        if asked["client_id"] not in self.clients or asked["code_challenge_method"] != "S256":
            return JSONResponse({"error": "invalid_request"}, 400)
        code = secrets.token_hex(8)
        scope = self.grants if self.grants is not None else asked.get("scope", "")
        self._codes[code] = Code(
            asked["client_id"], asked["redirect_uri"], asked["code_challenge"], scope, asked.get("resource")
        )
        iss = self.issuer if self.iss == "right" else self.iss
        back = {"code": code, "state": asked["state"], **({"iss": iss} if iss is not None else {})}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.forms.append(form)
        if "token" in self.broken:
            return Response(status_code=self.broken["token"])
        client, secret = _shown_by(request, form)
        if client not in self.clients or self.clients[client] != secret:
            return JSONResponse({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token":
            return await self._exchange_refresh(form)
        self.counts["code"] += 1
        code = self._codes.pop(form["code"], None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if code is None or (code.client, code.redirect, code.challenge, code.resource) != (
            client,
            form["redirect_uri"],
            proof,
            form.get("resource"),
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        return self._tokens(code.scope, None)

    async def _exchange_refresh(self, form: dict[str, str]) -> Response:
        self.counts["refresh"] += 1
        await self._held("arrived")
        if self.refusal is not None:
            return JSONResponse(self.refusal[1], self.refusal[0])
        scope = self.refresh.get(form["refresh_token"])
        if scope is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self.rotates:
            del self.refresh[form["refresh_token"]]
        answer = self._tokens(scope, None if self.rotates else form["refresh_token"])
        await self._held("rotated")
        return answer

    def _tokens(self, scope: str, refresh: str | None) -> Response:
        given: dict[str, Any] = {"access_token": _secret(), "token_type": "bearer"}
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        if scope:
            given["scope"] = scope
        if refresh is None and self.gives_refresh:
            given["refresh_token"] = _secret()
        given |= self.token
        self.access[str(given["access_token"])] = scope
        if "refresh_token" in given:
            self.refresh[given["refresh_token"]] = scope
        return JSONResponse(given, headers={"cache-control": "no-store"})

    async def _held(self, at: str) -> None:
        if self.hold is not None:
            await self.hold(at)

    async def _mcp(self, request: Request) -> Response:
        self.counts["mcp"] += 1
        self.seen.append(httpx2.Headers(request.headers.raw))
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.access:
            self.counts["refused"] += 1
            return self._refused(401)
        await self._held("used")
        if request.method != "POST":
            return Response(status_code=405)
        message = json.loads(await request.body())
        if "id" not in message:
            return Response(status_code=202)
        params = message.get("params") or {}
        needed = self.needs.get(params.get("name", "")) if message["method"] == "tools/call" else None
        if needed is not None and needed not in self.access[token].split():
            return self._refused(403, error="insufficient_scope", scope=needed)
        result = self._result(message["method"], params)
        if result is None:
            error = {"code": -32601, "message": "Method not found"}
            return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": error})
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _refused(self, status: int, **said: str) -> Response:
        words = {"resource_metadata": f"{self.origin}/.well-known/oauth-protected-resource/mcp", **said}
        if self.scope is not None and status == 401:
            words["scope"] = self.scope
        text = ", ".join(f'{name}="{value}"' for name, value in words.items())
        return JSONResponse({"error": "invalid_token"}, status, headers={"www-authenticate": f"Bearer {text}"})

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        match method:
            case "initialize":
                info = {"name": "guarded", "version": "1"}
                return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "ping":
                return {}
            case "tools/list":
                return {"tools": TOOLS}
            case "tools/call":
                return {"content": [{"type": "text", "text": self.person}]}
        return None
