"""Who may come in: Host and Origin first, then the bearer token. Everything is decided from an ASGI scope.

A page in a browser can make requests to this machine, also under a name that it let point here: Host and Origin tell
such a request from one of a program that was meant to talk to us.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from reconciler.faces.http.address import read_host
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal

Scope: TypeAlias = MutableMapping[str, Any]

OWNER = Principal("owner", "owner")
"""Whoever can use the local socket: its mode and the peer's uid were checked when the connection was made."""
LOCAL = Principal("local", "client")
"""The same where they come as a client: what asks for approval still asks."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
FAILURES = 10
"""Wrong tokens that one address may show within FAILURE_SECONDS before the answer is 429."""
FAILURE_SECONDS = 60.0

_SPELLINGS = 256
_ADDRESSES = 4096
_NO_TOKEN = "this needs a token: `Authorization: Bearer <token>`; `reconciler token show --role client` prints one"


class Checks(Protocol):
    """What is read of a project's tokens."""

    def check(self, bearer: bytes, /) -> Principal | None: ...


class Guarded(Protocol):
    """What is read of a project."""

    @property
    def tokens(self) -> Checks: ...


class Failures:
    """Wrong tokens by peer address. Only they are counted: a good token is never refused because of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def refuse(self, address: str) -> HttpProblem:
        """The answer to one more wrong token from this address: 401, or 429 when there were too many."""
        now = self._clock()
        times = self._times.setdefault(address, deque())
        while times and now - times[0] >= FAILURE_SECONDS:
            times.popleft()
        if len(times) >= FAILURES:
            wait = int(FAILURE_SECONDS - (now - times[0])) + 1
            message = f"too many wrong tokens came from {address or 'here'}; try again in {wait} s"
            return HttpProblem(429, "too-many-failures", message, headers={"retry-after": str(wait)})
        times.append(now)
        self._forget(address)
        return unauthorized("this token is not valid")

    def _forget(self, but: str) -> None:
        """What is remembered stays bounded; the oldest addresses go first."""
        while len(self._times) > _ADDRESSES:
            self._times.pop(next(address for address in self._times if address != but))


def unauthorized(message: str = _NO_TOKEN) -> HttpProblem:
    """401 as RFC 6750 wants it."""
    return HttpProblem(401, "unauthorized", message, headers={"www-authenticate": "Bearer"})


class Door:
    """One listener's way in. `local`: it is the owner's socket. `public_url` and `hosts` are names it has besides."""

    def __init__(
        self, *, local: bool = False, public_url: str | None = None, hosts: Iterable[str] = (), failures: Failures
    ) -> None:
        public = urlsplit(public_url or "")
        named = {*LOOPBACK, *(name.lower() for name in hosts), _bracketed(public.hostname or "")}
        self.local = local
        self.failures = failures
        self._names = frozenset(named - {""})
        self._origin = f"{public.scheme}://{public.netloc}".lower() if public.netloc else None
        self._seen: set[bytes | None] = set()

    def admit(self, scope: Scope, *, visited: bool = False) -> None:
        """Return where the request was meant for us; neither token nor body were looked at. Raises HttpProblem.

        `visited`: pages of other sites may send a browser there.
        """
        host = origin = site = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value if host is None else b""
            elif name == b"origin":
                origin = value if origin is None else b""
            elif name == b"sec-fetch-site":
                site = value
        if scope["raw_path"][:1] != b"/":
            raise HttpProblem(400, "bad-target", "the request target must be a path")
        if host not in self._seen:
            self._check_host(host)
        if origin is not None:
            self._check_origin(origin, host or b"")
        if site == b"cross-site" and not visited:
            raise HttpProblem(403, "cross-site", "a page of another site made this request")

    def _check_host(self, host: bytes | None) -> None:
        """A spelling that was good once is good again; the first few are remembered."""
        name = read_host((host or b"").decode("latin-1"))
        if name is None:
            raise HttpProblem(400, "bad-host", "there must be one Host header, with a name and perhaps a port")
        if name not in self._names:
            message = f'"{name}" is not a name of this engine; --allow-host adds one'
            raise HttpProblem(421, "wrong-host", message)
        if len(self._seen) < _SPELLINGS:
            self._seen.add(host)

    def _check_origin(self, origin: bytes, host: bytes) -> None:
        """A page of this machine, one of the public URL, or one that we served ourselves."""
        text = origin.decode("latin-1").lower()
        scheme, separator, authority = text.partition("://")
        if text == self._origin:
            return
        if separator and scheme in ("http", "https"):
            name = read_host(authority)
            if name is not None and (name in LOOPBACK or authority == host.decode("latin-1").lower()):
                return
        raise HttpProblem(403, "wrong-origin", "a page of another origin made this request")


def principal_of(scope: Scope, project: Guarded, local: Principal = LOCAL) -> Principal:
    """Who makes a request of this project: the token's principal, or `local` on the owner's socket without a token.

    It is also kept in the scope. Raises HttpProblem 401, and 429 after too many wrong tokens.
    """
    door: Door = scope["door"]
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    if not shown:
        if not door.local:
            raise unauthorized()
        found: Principal | None = local
    else:
        found = project.tokens.check(shown[0][7:]) if len(shown) == 1 and shown[0][:7].lower() == b"bearer " else None
    if found is None:
        raise door.failures.refuse((scope.get("client") or ("",))[0])
    scope["principal"] = found
    return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
