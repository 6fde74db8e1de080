"""Tokens for a program that has a client id and a secret: the OAuth grant client_credentials.

Imported through `door` only: the SDK, which knows how servers tell where to ask, takes most of a second to load.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import quote

import httpx2
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    create_oauth_metadata_request,
    extract_field_from_www_auth,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    handle_auth_metadata_response,
    handle_protected_resource_response,
    issuers_match,
    union_scopes,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url

from reconciler.sessions.http_failures import HttpRefused, clean, place
from reconciler.sessions.http_stream import same_origin
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.azure import AzureTokens
from reconciler.sessions.sign_in.credential import Challenge
from reconciler.sessions.sign_in.learnt import Learnt
from reconciler.sessions.sign_in.machine_settings import AzureCredentials, ClientCredentials, Fetch, Settings, Token
from reconciler.sessions.sign_in.token_answer import token_in

_BASIC, _POST = "client_secret_basic", "client_secret_post"


def fetcher_of(settings: Settings, now: Callable[[], float]) -> Fetch:
    """What gets tokens for these settings. Raises SessionError for settings that lead nowhere."""
    match settings:
        case AzureCredentials():
            return AzureTokens(settings, now)
        case ClientCredentials():
            return ClientTokens(settings, now)
        case _:
            assert_never(settings)


@dataclass(frozen=True, slots=True)
class _Way:
    """Where tokens for a server are given out, and what is asked for there."""

    endpoint: httpx2.URL
    method: str
    scope: str | None
    resource: str | None


class ClientTokens:
    """A Fetch. Where to ask is found out when the server first refuses, and again whenever it refuses a token."""

    def __init__(self, settings: ClientCredentials, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._url = httpx2.URL(settings.url).copy_with(userinfo=b"", query=None, fragment=None)
        self._issuer = None if settings.issuer is None else _issuer(settings.issuer)
        self._learnt = Learnt(self._url, [self._issuer] if self._issuer else [])
        self._way: _Way | None = None

    async def __call__(self, challenge: Challenge | None) -> Token | None:
        before = self._way
        if challenge is not None:
            refusal = _response(challenge)
            if challenge.status == 403 and extract_field_from_www_auth(refusal, "error") != "insufficient_scope":
                return None
            self._way = await self._found_out(refusal)
            if challenge.status == 403 and before is not None and before.scope == self._way.scope:
                return None  # the server wants what was asked for already, and was not given
        return None if self._way is None else await self._token(self._way)

    async def _token(self, way: _Way) -> Token:
        form, headers = {"grant_type": "client_credentials"}, dict[str, str]()
        if way.scope:
            form["scope"] = way.scope
        if way.resource:
            form["resource"] = way.resource
        client, secret = self._settings.client_id, self._settings.client_secret
        if way.method == _BASIC:
            pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"  # RFC 6749, 2.3.1
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client, "client_secret": secret}
        now = self._now()
        response = await self._learnt.ask(httpx2.Request("POST", way.endpoint, data=form, headers=headers))
        return token_in(response, place(way.endpoint), secret, now)

    async def _found_out(self, refusal: httpx2.Response) -> _Way:
        protected = await self._protected(refusal)
        issuer, metadata = await self._authorization_server(protected)
        endpoint = self._url.join("/token") if metadata is None else httpx2.URL(str(metadata.token_endpoint))
        if self._issuer is None and not same_origin(self._url, endpoint):
            message = (
                f"{place(self._url)} wants the client's secret sent to {place(endpoint)}. If that is right, "
                f"write `issuer: {clean(issuer or str(endpoint))}` under `oauth` in the file."
            )
            raise SessionError(message, terminal=True, code="auth")
        return _Way(endpoint, _method(metadata, endpoint), self._scope(refusal, protected), self._resource(protected))

    async def _protected(self, refusal: httpx2.Response) -> ProtectedResourceMetadata | None:
        """What the server says of itself (RFC 9728), None where it says nothing."""
        told = extract_resource_metadata_from_www_auth(refusal)
        trouble: HttpRefused | None = None
        for url in build_protected_resource_metadata_discovery_urls(told, str(self._url)):
            try:
                found = await handle_protected_resource_response(await self._get(url))
            except HttpRefused as error:
                trouble = error
                continue
            if found is not None:
                return self._checked(found)
        if trouble is not None:
            raise trouble
        return None

    def _checked(self, protected: ProtectedResourceMetadata) -> ProtectedResourceMetadata:
        """A server that gives itself out for another one would get a token that opens that other one."""
        told = str(protected.resource)
        own = resource_url_from_server_url(str(self._url))
        if self._settings.resource is None and not check_resource_allowed(own, told):
            message = f"{place(self._url)} says that its tokens are for {clean(told)}, which is another server."
            raise SessionError(message, terminal=True, code="auth")
        return protected

    async def _authorization_server(
        self, protected: ProtectedResourceMetadata | None
    ) -> tuple[str | None, OAuthMetadata | None]:
        """The issuer and its metadata (RFC 8414). The file's word counts; without any, the server's own origin does."""
        issuer = self._settings.issuer
        if issuer is None and protected is not None:
            issuer = str(protected.authorization_servers[0])
        for url in build_oauth_authorization_server_metadata_discovery_urls(issuer, str(self._url)):
            found = await self._metadata(url)
            if found is None:
                continue
            if issuer is not None and not issuers_match(str(found.issuer), issuer):
                message = (
                    f"{place(httpx2.URL(url))} speaks for the issuer {clean(str(found.issuer))}, not for {issuer}."
                )
                raise SessionError(message, terminal=True, code="auth")
            return issuer, found
        if issuer is not None:
            message = f"The issuer {clean(issuer)} tells nothing of where it gives out tokens."
            raise SessionError(message, terminal=True, code="auth")
        return None, None

    async def _metadata(self, url: str) -> OAuthMetadata | None:
        response = await self._get(url)
        _, found = await handle_auth_metadata_response(response)
        return found

    async def _get(self, url: str) -> httpx2.Response:
        """A document about signing in. Raises SessionError for a server in trouble, which says nothing either way."""
        try:
            request = create_oauth_metadata_request(url)
        except (httpx2.InvalidURL, ValueError):
            message = f"{place(self._url)} named something that is no URL as the place to sign in."
            raise SessionError(message, terminal=True, code="auth") from None
        response = await self._learnt.ask(request)
        status = response.status_code
        if status >= 500 or status == 429:
            raise HttpRefused(f"{place(request.url)} answered HTTP {status}.", status=status, code=f"http-{status}")
        return response

    def _scope(self, refusal: httpx2.Response, protected: ProtectedResourceMetadata | None) -> str | None:
        """What the file says; else what the challenge names or the server has, and what was asked for before."""
        if self._settings.scopes is not None:
            return " ".join(self._settings.scopes) or None
        challenged = extract_scope_from_www_auth(refusal)
        if challenged is None and protected is not None and protected.scopes_supported is not None:
            challenged = " ".join(protected.scopes_supported)
        return union_scopes(None if self._way is None else self._way.scope, challenged) or None

    def _resource(self, protected: ProtectedResourceMetadata | None) -> str | None:
        """The resource indicator (RFC 8707)."""
        if self._settings.resource is not None:
            return None if self._settings.resource == "omit" else self._settings.resource
        return str(protected.resource) if protected is not None else resource_url_from_server_url(str(self._url))


def _response(challenge: Challenge) -> httpx2.Response:
    """The refusal as the SDK wants to see it. Bytes: a header may hold what HTTP does not allow in text."""
    header = challenge.header or ""
    return httpx2.Response(challenge.status, headers=[(b"www-authenticate", header.encode())])


def _issuer(written: str) -> httpx2.URL:
    try:
        url = httpx2.URL(written)
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise SessionError("The issuer under `oauth` is not a URL.", terminal=True, code="url")
    return url


def _method(metadata: OAuthMetadata | None, endpoint: httpx2.URL) -> str:
    """How the secret is shown; without a word about it, as RFC 8414 says."""
    offered = None if metadata is None else metadata.token_endpoint_auth_methods_supported
    for method in (_BASIC, _POST):
        if offered is None or method in offered:
            return method
    message = f"{place(endpoint)} takes no client secrets, only {clean(', '.join(offered or ()))}."
    raise SessionError(message, terminal=True, code="auth")
