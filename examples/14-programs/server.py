"""A server that lets programs in, and gives out their tokens itself, for the example: `python server.py PORT`."""

import base64
import secrets
import sys

from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse

URL = f"http://127.0.0.1:{sys.argv[1]}"
PROGRAMS = {"nightly-report": "a-secret-of-25-characters"}
given: dict[str, AccessToken] = {}


class Given(TokenVerifier):
    """Whether a token is one of ours."""

    async def verify_token(self, token: str) -> AccessToken | None:
        return given.get(token)


auth = AuthSettings.model_validate(
    {"issuer_url": URL, "resource_server_url": f"{URL}/mcp", "validate_token_resource": True}
)
server = MCPServer("ledger", token_verifier=Given(), auth=auth)


@server.tool()
def balance(account: str) -> int:
    """What is on an account."""
    return 100 * len(account)


@server.custom_route("/.well-known/oauth-authorization-server", methods=["GET"])
async def metadata(request: Request) -> JSONResponse:
    """Where tokens are given out (RFC 8414)."""
    pages = {"authorization_endpoint": f"{URL}/authorize", "token_endpoint": f"{URL}/token"}
    return JSONResponse({"issuer": URL, "response_types_supported": ["code"], **pages})


@server.custom_route("/token", methods=["POST"])
async def token(request: Request) -> JSONResponse:
    """A token for a program that knows its secret (RFC 6749, 4.4)."""
    form = await request.form()
    _, _, basic = request.headers.get("authorization", "").partition(" ")
    name, _, secret = base64.b64decode(basic).decode().partition(":")
    if not secret or not secrets.compare_digest(PROGRAMS.get(name, ""), secret):
        return JSONResponse({"error": "invalid_client", "error_description": "no such program"}, 401)
    made = secrets.token_urlsafe()
    given[made] = AccessToken(token=made, client_id=name, scopes=[], resource=str(form["resource"]))
    return JSONResponse({"access_token": made, "token_type": "Bearer", "expires_in": 3600})


server.run("streamable-http", port=int(sys.argv[1]))
