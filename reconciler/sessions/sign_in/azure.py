"""Tokens of Microsoft Entra for a program with a secret: the client credentials grant of its second version."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import httpx2

from reconciler.sessions.addresses import is_loopback
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import Challenge
from reconciler.sessions.sign_in.learnt import Learnt
from reconciler.sessions.sign_in.machine_settings import AzureCredentials, Token
from reconciler.sessions.sign_in.token_answer import token_in

AUTHORITY = "https://login.microsoftonline.com"
_DEFAULT = "/.default"
_BETWEEN = re.compile(r"[ ,;\t]+")


class AzureTokens:
    """A Fetch. The challenge of a server changes nothing: what is asked for stands in the file."""

    def __init__(self, settings: AzureCredentials, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._url = token_url(settings)
        self._form = _form(settings)
        self._learnt = Learnt(self._url)

    async def __call__(self, challenge: Challenge | None) -> Token:
        now = self._now()
        response = await self._learnt.ask(httpx2.Request("POST", self._url, data=self._form))
        return token_in(response, "Microsoft Entra", self._settings.client_secret, now)


def token_url(settings: AzureCredentials) -> httpx2.URL:
    """Where the tokens of a tenant are given out. Raises SessionError for a host that is no host."""
    host = settings.authority or AUTHORITY
    try:
        url = httpx2.URL(host if "://" in host else f"https://{host}")
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if not url.host or url.scheme not in ("http", "https"):
        raise SessionError("The authorityHost under `azure` is not a URL.", terminal=True, code="url")
    if url.scheme == "http" and not is_loopback(url.host):
        message = "The authorityHost under `azure` must begin with https://: a secret is sent there."
        raise SessionError(message, terminal=True, code="url")
    return url.copy_with(path=f"/{quote(settings.tenant, safe='')}/oauth2/v2.0/token", query=None, fragment=None)


def scope_of(written: str) -> str:
    """What is asked for: items between spaces, commas and semicolons; a resource by itself means its default."""
    items = [item for item in _BETWEEN.split(written.strip()) if item]
    if len(items) == 1 and not items[0].endswith(_DEFAULT):
        return items[0] + _DEFAULT
    return " ".join(items)


def _form(settings: AzureCredentials) -> dict[str, str]:
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": scope_of(settings.scope),
    }
    if not form["scope"]:
        message = "The scope under `azure` is empty; usually it is `api://<application>/.default`."
        raise SessionError(message, terminal=True, code="auth")
    if settings.resource and settings.resource != "omit":
        form["resource"] = settings.resource
    return form
