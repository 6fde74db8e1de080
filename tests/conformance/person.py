"""A person who signs in wherever the session layer says so, with a browser that has no window."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from reconciler.sessions.sign_in.sign_ins import CALLBACK, SignIns
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault

HOME = "http://127.0.0.1:7717"
"""Where the browser is sent back to; it does not go there."""
CLIENT_DOCUMENT = "https://conformance-test.local/client-metadata.json"
"""The client id, as a URL, that the suite knows."""
BY_DOCUMENT = "auth/basic-cimd"
PROGRAM = "auth/client-credentials-basic"


@contextmanager
def sign_ins() -> Iterator[SignIns]:
    """Those of a project, with a vault that lasts as long."""
    with tempfile.TemporaryDirectory() as folder:
        yield SignIns(Vault(StateDir(Path(folder))), lambda: HOME, lambda server_id, forgotten: None)


async def sign_in(ours: SignIns, server_id: str) -> None:
    """Open the page that is shown, be sent back at once, and hand over what the browser brings."""
    url = ours.auth_url(server_id)
    assert url is not None
    async with httpx2.AsyncClient(trust_env=False) as browser:
        response = await browser.get(url)
    back = urlsplit(response.headers["location"])
    assert back._replace(query="").geturl() == f"{HOME}{CALLBACK}"
    brought = {name: values[0] for name, values in parse_qs(back.query).items()}
    await ours.finish(brought["state"], brought.get("code"), brought.get("iss"), brought.get("error"))


async def written(scenario: str, url: str, context: Mapping[str, Any]) -> bool | dict[str, Any]:
    """What the file says under `oauth`, as a person writes it who was given these credentials."""
    if not scenario.startswith("auth/"):
        return False
    given: dict[str, Any] = {
        "clientId": CLIENT_DOCUMENT if scenario == BY_DOCUMENT else context.get("client_id"),
        "clientSecret": context.get("client_secret"),
        "issuer": context.get("issuer"),
    }
    if scenario == PROGRAM:
        given |= {"grant": "client_credentials", "issuer": await _issuer(url)}
    return {name: value for name, value in given.items() if value is not None} or True


async def _issuer(url: str) -> str:
    """Where the credentials of a program belong, which the file has to say; the suite tells nobody but the server."""
    parts = urlsplit(url)
    async with httpx2.AsyncClient(trust_env=False) as browser:
        place = parts._replace(path=f"/.well-known/oauth-protected-resource{parts.path}").geturl()
        issuer: str = (await browser.get(place)).json()["authorization_servers"][0]
    return issuer
