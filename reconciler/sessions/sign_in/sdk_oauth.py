"""Signing in as the MCP SDK does it, under our rules: everything we use of the insides of its OAuth client.

Loaded behind `door` only. One provider serves one sign-in and holds nothing afterwards: the SDK's keeps a lock around
requests, and forgets when a token ends and where it is renewed.

Private today, of `OAuthClientProvider`: `_initialize`, `_select_authorization_server`, `_expected_issuer`,
`_validate_resource_match`, `_perform_authorization`, `_get_token_endpoint`, `_refresh_token`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthRegistrationError, OAuthTokenError
from mcp.client.auth.oauth2 import OAuthContext
from mcp.client.auth.utils import extract_resource_metadata_from_www_auth, extract_scope_from_www_auth
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)
from pydantic import ValidationError

from reconciler.model.secret import HIDDEN
from reconciler.sessions.addresses import is_loopback
from reconciler.sessions.http_failures import clean, explanation, place
from reconciler.sessions.http_stream import same_origin
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import SignInFailed
from reconciler.sessions.sign_in.grants import (
    Attempt,
    Grant,
    NotGranted,
    Publish,
    Registered,
    Registration,
    Site,
    same_issuer,
    times_of,
)
from reconciler.sessions.sign_in.learnt import Learnt

CLIENT_NAME = "mcp-reconciler"
OMIT = "omit"
NOWHERE = "http://127.0.0.1/"
_PROTECTED = "/.well-known/oauth-protected-resource"
"""There are several places for this one, and the SDK looks at all of them."""
_TOKEN = re.compile(r"[!-~]+")
_SENSELESS = (ValueError, ArithmeticError, httpx2.InvalidURL)
"""What comes of answers that make no sense."""
_KEPT_OF_A_CLIENT = {"client_id", "client_secret", "client_secret_expires_at", "token_endpoint_auth_method", "issuer"}
_KEPT_OF_METADATA = {"issuer", "authorization_endpoint", "token_endpoint"}


async def sign_in(site: Site, attempt: Attempt, publish: Publish, registered: Registered) -> tuple[str, Grant]:
    """Find out where `site` is signed in to, have a person do it, and fetch the tokens: the issuer and its grant.

    Raises SessionError; SignInFailed where trying again by itself changes nothing.
    """
    provider, learnt = _Provider(site, attempt, publish, registered), learnt_for(site)
    request = httpx2.Request("POST", site.url)
    flow = provider.async_auth_flow(request)
    try:
        outgoing = await anext(flow)
        while provider.context.current_tokens is None:
            response = _refusal(request, attempt) if outgoing is request else await _answer(outgoing, learnt)
            outgoing = await flow.asend(response)
    except (OAuthFlowError, OAuthRegistrationError, OAuthTokenError, *_SENSELESS) as error:
        raise _failed(error, site, attempt) from None
    finally:
        await flow.aclose()
    return provider.issuer, provider.grant()


async def _answer(request: httpx2.Request, learnt: Learnt) -> httpx2.Response:
    """Of a server in trouble nothing is concluded, but that it may be asked again. Raises SessionError."""
    response = await learnt.ask(request)
    status = response.status_code
    if (status >= 500 or status == 429) and _PROTECTED not in request.url.path:
        raise SessionError(f"{place(request.url)} answered HTTP {status}.", code=f"http-{status}")
    return response


async def renew(site: Site, grant: Grant) -> Grant:
    """Exchange the refresh token. Raises NotGranted, and SessionError where nobody can say."""
    request = await _Renewal(site, grant).request()
    where = place(request.url)
    response = await learnt_for(site).ask(request)
    if response.status_code != 200:
        code = _error_code(response.content)
        if code is not None and 400 <= response.status_code < 500:
            raise NotGranted(code)
        said = _without(explanation(response.content), (*grant.secrets, site.client_secret))
        raise SessionError(f"{where} does not renew the sign-in (HTTP {response.status_code}): {said}", code="renewal")
    try:
        token = OAuthToken.model_validate_json(response.content)
    except ValidationError:
        raise SessionError(f"{where} renewed the sign-in with something that is no token.", code="renewal") from None
    token.refresh_token = token.refresh_token or grant.refresh_token
    token.scope = token.scope or grant.scope
    return _grant(token, grant.client, grant.metadata, grant.resource, grant.asked)


def learnt_for(site: Site) -> Learnt:
    """Asks wherever the sign-in of a site leads; an issuer that the file names is no place that a server told us."""
    return Learnt(httpx2.URL(site.url), [httpx2.URL(site.issuer)] if site.issuer else [])


class _Context(OAuthContext):
    """The SDK's, with the resource indicator that the file wants: None for the usual one."""

    sends: str | None = None

    def should_include_resource_param(self, protocol_version: str | None = None) -> bool:
        return self.sends != OMIT and (
            self.sends is not None or super().should_include_resource_param(protocol_version)
        )

    def get_resource_url(self) -> str:
        return self.sends or super().get_resource_url()


class _Provider(OAuthClientProvider):
    """One sign-in."""

    context: _Context

    def __init__(self, site: Site, attempt: Attempt, publish: Publish, registered: Registered) -> None:
        kind = "native" if is_loopback(httpx2.URL(attempt.redirect).host) else "web"
        ours = OAuthClientMetadata.model_validate(
            {"client_name": CLIENT_NAME, "redirect_uris": [attempt.redirect], "application_type": kind}
        )
        super().__init__(site.url, ours, self)
        self.context = _Context(site.url, ours, self, self._redirect, self._came_back)
        self.context.sends = site.resource
        self._site = site
        self._attempt = attempt
        self._publish = publish
        self._registered = registered
        self._page = ""

    @property
    def issuer(self) -> str:
        """Who signs in."""
        return self._expected_issuer()

    def grant(self) -> Grant:
        """What came of it."""
        context, client = self.context, self.context.client_info
        assert context.current_tokens is not None
        assert client is not None
        kept = client.model_dump(mode="json", exclude_none=True, include=_KEPT_OF_A_CLIENT)
        if self._site.client_id is not None:
            kept.pop("client_secret", None)
        found = context.oauth_metadata
        metadata = found.model_dump(mode="json", include=_KEPT_OF_METADATA) if found else None
        resource = context.get_resource_url() if context.should_include_resource_param() else None
        return _grant(context.current_tokens, kept, metadata, resource, context.client_metadata.scope)

    # The SDK's storage: nothing is read from here, and tokens are kept by whoever gets the grant

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        pass

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """A client was registered: the next sign-in uses it again, whatever becomes of this one."""
        client = client_info.model_dump(mode="json", exclude_none=True, include=_KEPT_OF_A_CLIENT)
        await self._registered(self.issuer, Registration(self._attempt.redirect, client))

    # Finding out

    async def _initialize(self) -> None:
        self.context.auth_server_url = self._site.issuer
        self._initialized = True

    def _select_authorization_server(self, advertised: list[str]) -> str:
        wanted = self._site.issuer
        if wanted is None:
            return advertised[0]
        found = next((one for one in advertised if same_issuer(one, wanted)), None)
        if found is None:
            raise SignInFailed(
                f'{place(httpx2.URL(self._site.url))} is signed in to at "{clean(advertised[0])}", '
                f'not at the `issuer` that the file names ("{wanted}").'
            )
        return found

    def _expected_issuer(self) -> str:
        """Also the moment from which the client is known: it is this issuer's, or there is none yet."""
        issuer = super()._expected_issuer()
        bound_to = self._attempt.bound_to
        if self._site.client_id is not None and bound_to is not None and not same_issuer(issuer, bound_to):
            raise SignInFailed(
                f'{place(httpx2.URL(self._site.url))} was signed in to at "{bound_to}" and now names '
                f'"{clean(issuer)}". If that is right, write `issuer` under `oauth` in the file.'
            )
        if self.context.client_info is None:
            self.context.client_info = self._client(issuer)
        return issuer

    def _client(self, issuer: str) -> OAuthClientInformationFull | None:
        if self._site.client_id is not None:
            return OAuthClientInformationFull(client_id=self._site.client_id, client_secret=self._site.client_secret)
        found = next((one for name, one in self._attempt.registered.items() if same_issuer(name, issuer)), None)
        if found is None or not found.holds(self._attempt.redirect, time.time()):
            return None
        return OAuthClientInformationFull.model_validate(found.client)

    async def _validate_resource_match(self, prm: ProtectedResourceMetadata) -> None:
        if str(prm.resource) != self._site.resource:
            await super()._validate_resource_match(prm)

    # Asking a person

    async def _perform_authorization(self) -> httpx2.Request:
        context, metadata = self.context, self.context.oauth_metadata
        self._check_proof(metadata)
        self._check_secret()
        prm = context.protected_resource_metadata
        if not self._names_scope and (prm is None or prm.scopes_supported is None):
            context.client_metadata.scope = None  # the SDK would ask for all that the authorization server has
        client = context.client_info
        if client is not None and (self._site.client_id is not None or client.token_endpoint_auth_method is None):
            client.token_endpoint_auth_method = _auth_method(metadata, has_secret=client.client_secret is not None)
        return await super()._perform_authorization()

    @property
    def _names_scope(self) -> bool:
        attempt = self._attempt
        return extract_scope_from_www_auth(_refusal(httpx2.Request("POST", self._site.url), attempt)) is not None

    def _check_proof(self, metadata: OAuthMetadata | None) -> None:
        """Without PKCE whoever reads the code can use it (RFC 7636). Metadata that says nothing is believed of an
        issuer that a person named, and of servers so old that they have none."""
        methods = metadata.code_challenge_methods_supported if metadata else ["S256"]
        if methods is None and self._site.issuer is not None:
            return
        if "S256" not in (methods or ()):
            hint = "" if methods else " If it is to be trusted, write `issuer` under `oauth` in the file."
            raise SignInFailed(f'"{clean(self.issuer)}" does not say that it takes PKCE with S256.{hint}')

    def _check_secret(self) -> None:
        """A secret of the file goes to nobody whom only the server names."""
        site, token_url = self._site, httpx2.URL(self._get_token_endpoint())
        if site.client_secret and site.issuer is None and not same_origin(httpx2.URL(site.url), token_url):
            wants = f"{place(httpx2.URL(site.url))} wants the client's secret sent to {place(token_url)}"
            hint = f"write `issuer: {clean(self.issuer)}` under `oauth` in the file"
            raise SignInFailed(f"{wants}. If that is right, {hint}.")

    async def _redirect(self, url: str) -> None:
        """An endpoint may have a query of its own, which is kept (RFC 6749, 3.1): the SDK only appends `?`."""
        endpoint, _, asked = url.rpartition("?")
        self._page = f"{endpoint}&{asked}" if "?" in endpoint else url

    async def _came_back(self) -> AuthorizationCodeResult:
        back = await self._publish(self._page)
        return AuthorizationCodeResult(code=back.code, state=back.state, iss=back.iss)


class _Renewal(OAuthClientProvider):
    """Makes the request that renews a grant."""

    def __init__(self, site: Site, grant: Grant) -> None:
        ours = OAuthClientMetadata.model_validate({"redirect_uris": [NOWHERE]})
        nowhere: Any = None  # nothing is read or kept by the SDK
        super().__init__(site.url, ours, nowhere)
        self.context = context = _Context(site.url, ours, nowhere, None, None)
        client = {**grant.client, "client_secret": site.client_secret} if site.client_id else grant.client
        context.client_info = OAuthClientInformationFull.model_validate(client)
        context.oauth_metadata = OAuthMetadata.model_validate(grant.metadata) if grant.metadata else None
        context.current_tokens = OAuthToken(access_token=grant.access_token, refresh_token=grant.refresh_token)
        context.sends = grant.resource or OMIT

    async def request(self) -> httpx2.Request:
        return await self._refresh_token()


def _grant(
    token: OAuthToken,
    client: Mapping[str, Any],
    metadata: Mapping[str, Any] | None,
    resource: str | None,
    asked: str | None,
) -> Grant:
    if not _TOKEN.fullmatch(token.access_token):
        raise SessionError("The authorization server gave out something that is no token.", code="renewal")
    ends_at, renew_at = times_of(token.expires_in, time.time())
    return Grant(
        client=client,
        metadata=metadata,
        resource=resource,
        access_token=token.access_token,
        refresh_token=token.refresh_token,
        ends_at=ends_at,
        renew_at=renew_at,
        scope=token.scope,
        asked=asked,
    )


def _refusal(request: httpx2.Request, attempt: Attempt) -> httpx2.Response:
    """The 401 that the SDK's flow begins with: what the server said, but for scopes that we know better."""
    header = attempt.challenge.header if attempt.challenge else None
    headers = {"www-authenticate": header} if header else {}
    response = httpx2.Response(401, headers=headers, request=request)
    if attempt.scope is None:
        return response
    where = extract_resource_metadata_from_www_auth(response)
    parts = [f'scope="{attempt.scope}"', *([f'resource_metadata="{where}"'] if where else [])]
    return httpx2.Response(401, headers={"www-authenticate": f"Bearer {', '.join(parts)}"}, request=request)


def _auth_method(metadata: OAuthMetadata | None, *, has_secret: bool) -> str:
    """How a client says who it is that was not told how; the default is that of RFC 8414 and of RFC 7591."""
    supported = (metadata.token_endpoint_auth_methods_supported if metadata else None) or ["client_secret_basic"]
    if not has_secret:
        return "none"
    return "client_secret_basic" if "client_secret_basic" in supported else "client_secret_post"


def _failed(error: Exception, site: Site, attempt: Attempt) -> SignInFailed:
    where = place(httpx2.URL(site.url))
    registered = (one.client.get("client_secret") for one in attempt.registered.values())
    said = _without(_words_of(error), (site.client_secret, *registered))
    match error:
        case OAuthRegistrationError():
            return SignInFailed(
                f"The authorization server of {where} registers no client for us ({said}): register one "
                f"with the redirect URI {attempt.redirect} and write its `clientId` under `oauth`."
            )
        case OAuthFlowError() | OAuthTokenError():
            return SignInFailed(f"Signing in to {where} failed: {said}.")
        case _:
            return SignInFailed(f"Signing in to {where} failed: what it answers makes no sense.")


def _words_of(error: Exception) -> str:
    """Its message; of an answer that is not as it must be only what is wrong, for the SDK's holds a piece of it."""
    cause = error.__cause__ or error.__context__
    if not isinstance(cause, ValidationError):
        return str(error)
    wrong = cause.errors(include_url=False, include_context=False, include_input=False)[0]
    place_in_it = ".".join(map(str, wrong["loc"]))
    return f"the answer is not what it must be ({place_in_it + ': ' if place_in_it else ''}{wrong['msg']})"


def _without(text: str, secrets: Iterable[str | None]) -> str:
    """Words of a server as they may be shown: cleaned, cut, and without our secrets, which some repeat."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN) if secret else text
    return clean(text)


def _error_code(body: bytes) -> str | None:
    """The `error` of a token endpoint's refusal (RFC 6749, 5.2)."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    code = value.get("error") if isinstance(value, dict) else None
    return code if isinstance(code, str) else None
