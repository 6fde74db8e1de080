"""What a program signs in with, as resolved from the file, and the token it gets for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.model.secret import parse_template
from reconciler.model.server import Remote, Server
from reconciler.sessions.session import Resolve
from reconciler.sessions.sign_in.credential import Challenge

AHEAD = 120.0
"""Seconds before a token ends, at most half its life, from when on a new one is fetched."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """`oauth` with the grant client_credentials, resolved; None where the file says nothing."""

    url: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] | None = None
    issuer: str | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class AzureCredentials:
    """`azure`, resolved."""

    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    authority: str | None = None
    resource: str | None = None


Settings: TypeAlias = ClientCredentials | AzureCredentials


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and when another one is looked for and when it holds no more, in wall-clock seconds."""

    text: str = field(repr=False)
    ends_at: float
    renew_at: float


def token_for(text: str, lifetime: float, now: float) -> Token:
    """A token that was asked for at `now` and holds for `lifetime` seconds."""
    return Token(text, now + lifetime, now + max(lifetime - AHEAD, lifetime / 2))


Fetch: TypeAlias = Callable[[Challenge | None], Awaitable[Token | None]]
"""A new token; None where it takes a challenge first, or none other could be had. Raises SessionError."""


def settings_of(server: Server, resolve: Resolve) -> Settings | None:
    """What the file says of how a program signs in; None where it does not. Raises Unresolved."""
    transport = server.transport
    if not isinstance(transport, Remote):
        return None
    oauth = transport.oauth if isinstance(transport.oauth, Mapping) else {}
    if transport.azure is not None:
        return _azure(resolved(transport.azure, resolve))
    if oauth.get("grant") == "client_credentials":
        return _client_credentials(transport.url.resolve(resolve), resolved(oauth, resolve))
    return None


def resolved(written: Mapping[str, Any], resolve: Resolve) -> dict[str, Any]:
    """Settings with their references opened. Raises Unresolved."""

    def value(one: Any) -> Any:
        if isinstance(one, str):
            return parse_template(one).resolve(resolve).strip()
        return tuple(map(value, one)) if isinstance(one, list | tuple) else one

    return {key: value(one) for key, one in written.items()}


def _azure(given: Mapping[str, Any]) -> AzureCredentials:
    return AzureCredentials(
        tenant=given["tenantId"],
        client_id=given["clientId"],
        client_secret=given["clientSecret"],
        scope=given["scope"],
        authority=given.get("authorityHost"),
        resource=given.get("resource"),
    )


def _client_credentials(url: str, given: Mapping[str, Any]) -> ClientCredentials:
    return ClientCredentials(
        url=url,
        client_id=given["clientId"],
        client_secret=given["clientSecret"],
        scopes=given.get("scopes"),
        issuer=given.get("issuer"),
        resource=given.get("resource"),
    )
