"""What signing in is about: the server, the client we are to its authorization server, and what that one granted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from reconciler.model.server import Remote, Server
from reconciler.sessions.session import Resolve, SessionError
from reconciler.sessions.sign_in.credential import Challenge
from reconciler.sessions.sign_in.machine_settings import resolved

AHEAD = 60.0
"""Seconds before its end that a token is renewed; for a short-lived one a tenth of its life."""

_LONGEST_LIFE = 10 * 365 * 86400


@dataclass(frozen=True, slots=True)
class Site:
    """A server that is signed in to, with what its file says of that. `url` holds neither query nor user information.

    `resource` is the resource indicator to send, `omit` for none, None for the usual one.
    """

    server: str
    name: str = field(compare=False)
    url: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] | None = None
    issuer: str | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """A client that an authorization server registered for us: what it answered (RFC 7591), and for which redirect."""

    redirect: str
    client: Mapping[str, Any] = field(repr=False)

    def holds(self, redirect: str, now: float) -> bool:
        """Whether it can be used; a secret may have expired, and the engine may listen elsewhere now."""
        ends = self.client.get("client_secret_expires_at") or 0
        return self.redirect == redirect and (not self.client.get("client_secret") or not ends or now < ends)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in of a person: `scope` is asked for instead of what challenge and metadata name, `bound_to` is the
    issuer at which the file's client signed in before, `registered` holds our clients by issuer."""

    redirect: str
    challenge: Challenge | None = None
    scope: str | None = None
    bound_to: str | None = None
    registered: Mapping[str, Registration] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CameBack:
    """What the browser brought back from the authorization server."""

    state: str
    code: str = field(repr=False)
    iss: str | None = None


Publish: TypeAlias = Callable[[str], Awaitable[CameBack]]
"""Takes the URL at which a person signs in, and waits for what the browser comes back with. Raises SessionError."""
Registered: TypeAlias = Callable[[str, Registration], Awaitable[None]]
"""Takes an issuer and the client that it registered for us."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed, and all that is needed to have it renewed.

    `client` is the client it was granted to (of one that the file names, the secret stays there), `metadata` the
    authorization server's (None where it has none), `resource` the indicator that was sent, `asked` the scopes that
    were. Times are wall-clock seconds, None for a token that names no end.
    """

    client: Mapping[str, Any] = field(repr=False)
    metadata: Mapping[str, Any] | None
    resource: str | None
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    ends_at: float | None
    renew_at: float | None
    scope: str | None
    asked: str | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        held = (self.access_token, self.refresh_token, self.client.get("client_secret"))
        return tuple(text for text in held if text)


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of one server and one issuer. `at` is when it was last written, `client_id` the client that the file
    named then, None where one was registered."""

    url: str
    issuer: str
    client_id: str | None = None
    registration: Registration | None = None
    grant: Grant | None = None
    at: float = 0.0

    def to_text(self) -> str:
        return json.dumps({"version": 1, **asdict(self)}, ensure_ascii=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        registered = self.registration.client.get("client_secret") if self.registration else None
        return (*(self.grant.secrets if self.grant else ()), *([registered] if registered else ()))

    def fits(self, site: Site) -> bool:
        """Whether it is about the same server, and the issuer is one that the file wants."""
        return self.url == site.url and (site.issuer is None or same_issuer(site.issuer, self.issuer))

    def for_site(self, site: Site) -> Record:
        """Without a grant to another client than the file's."""
        return self if site.client_id == self.client_id else replace(self, client_id=site.client_id, grant=None)


def times_of(lifetime: float | None, now: float) -> tuple[float | None, float | None]:
    """When a token that was just issued ends, and from when on it is renewed. No lifetime, or none left: unknown."""
    if lifetime is None or lifetime <= 0:
        return None, None
    lifetime = min(lifetime, _LONGEST_LIFE)
    return now + lifetime, now + lifetime - min(AHEAD, lifetime / 10)


class NotGranted(Exception):
    """The authorization server refuses to renew: a person has to sign in. `code` is its own (RFC 6749, 5.2)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def record_of(text: str) -> Record | None:
    """What `to_text` wrote; None for anything else."""
    try:
        value = json.loads(text)
        if value.pop("version") != 1:
            return None
        registration, grant = value.pop("registration"), value.pop("grant")
        return Record(
            **value,
            registration=Registration(**registration) if registration else None,
            grant=Grant(**grant) if grant else None,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def site_of(server: Server, transport: Remote, resolve: Resolve) -> Site:
    """The site of a server, every reference opened. Raises SessionError."""
    given = resolved(transport.oauth, resolve) if isinstance(transport.oauth, Mapping) else {}
    try:
        parts = urlsplit(transport.url.resolve(resolve).strip())
    except ValueError:
        raise SessionError("The url is not a URL.", terminal=True, code="url") from None
    issuer = given.get("issuer")
    if issuer is not None and not _is_web_address(issuer):
        raise SessionError("The issuer under `oauth` is not a URL.", terminal=True, code="url")
    url = urlunsplit((parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower(), parts.path or "/", "", ""))
    return Site(
        server=server.id,
        name=server.name,
        url=url,
        client_id=given.get("clientId"),
        client_secret=given.get("clientSecret"),
        scopes=given.get("scopes"),
        issuer=issuer,
        resource=given.get("resource"),
    )


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def same_issuer(one: str, other: str) -> bool:
    """Issuers are compared as text (RFC 8414, 3.3); a slash at the end of a bare origin means nothing."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or (longer == f"{shorter}/" and not urlsplit(shorter).path)


def united(*scopes: str | None) -> str | None:
    """Every scope once, in order; None where nobody names any."""
    return " ".join(dict.fromkeys(word for scope in scopes for word in words(scope))) or None


def words(scope: str | None) -> list[str]:
    """The scopes of a text that names some."""
    return (scope or "").split()
