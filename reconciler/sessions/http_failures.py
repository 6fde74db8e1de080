"""Turn what can go wrong on HTTP into one sentence and what it means for trying again. No I/O.

No sentence holds user information, a query or a header's value; text of a server is shown cleaned and cut.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpcore2
import httpx2

from reconciler.sessions.session import DeadlineExceeded, RpcError, SessionError

LONGEST_WAIT = 3600.0
"""Seconds; a server that asks for more is tried again after this."""
SIGN_IN = frozenset({401, 403, 407})
_SHOWN = 200


class HttpRefused(SessionError):
    """The server answered a request with an HTTP status instead of an answer.

    `challenge` is the WWW-Authenticate header as received, for whoever signs in.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        terminal: bool = False,
        retry_after: float | None = None,
        code: str,
        challenge: str | None = None,
    ) -> None:
        super().__init__(message, terminal=terminal, retry_after=retry_after, code=code)
        self.status = status
        self.challenge = challenge


class RefusedRpc(RpcError):
    """A JSON-RPC error that came with an HTTP status of 400 or more."""

    def __init__(self, error: Mapping[str, Any], status: int) -> None:
        super().__init__(error)
        self.status = status


def place(url: httpx2.URL) -> str:
    """`host:port` of a URL, for sentences."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or {'https': 443}.get(url.scheme, 80)}"


def clean(text: str) -> str:
    """Text of a server as one short printable line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _SHOWN]).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def refused(where: str, response: httpx2.Response, said: str, *, signs_in: bool, now: datetime) -> HttpRefused:
    """What a status of 400 or more means. `said` is the server's own explanation, `signs_in` that sign-in is set up."""
    status = response.status_code
    text = f"{_named(status)}: {said}" if said else _named(status)
    wait = seconds_to_wait(response.headers.get("retry-after"), now)
    challenge = response.headers.get("www-authenticate")
    if status in SIGN_IN:
        said_who = signs_in or "authorization" in response.request.headers
        offers = status == 401 and challenge is not None and challenge.lstrip().lower().startswith("bearer")
        message = f"{_who_may(status, signs_in=signs_in)}: {where} answered {text}."
        if offers and not said_who:  # RFC 6750: it takes tokens, and got none
            message = f"{where} wants a sign-in: write `oauth: true` for it in the file ({text})."
        return HttpRefused(message, status=status, terminal=True, code="auth", challenge=challenge, retry_after=wait)
    hint = " Is this an SSE server (type: sse)?" if status in (404, 405) else ""
    return HttpRefused(f"{where} answered {text}.{hint}", status=status, code=f"http-{status}", retry_after=wait)


def _who_may(status: int, *, signs_in: bool) -> str:
    if not signs_in:
        return "The credentials in its headers are missing or not accepted"
    return "Sign-in is needed" if status == 401 else "Whoever signed in is not allowed this"


def not_followed(where: str, response: httpx2.Response, said: Callable[[str], str]) -> HttpRefused:
    """A redirect that leaves the origin, changes the method or never ends; its target is named without its query."""
    target = response.next_request
    shown = "nowhere" if target is None else str(target.url.copy_with(userinfo=b"", query=None, fragment=None))
    status = response.status_code
    message = f"{where} redirects to {said(shown)} (HTTP {status}), which is not followed."
    return HttpRefused(message, status=status, terminal=True, code="redirect")


def no_session(where: str) -> SessionError:
    """What a 404 means once there is a session (MCP 2025-11-25, basic/transports)."""
    return SessionError(f"{where} no longer knows the session (HTTP 404).", code="lost")


def stream_ended(where: str) -> SessionError:
    """The server closed a stream, in good order, from which something was still awaited."""
    return SessionError(f"{where} ended the event stream.", code="closed")


def too_late(where: str) -> DeadlineExceeded:
    """Nothing came, or not all of it, until the deadline of an exchange."""
    return DeadlineExceeded(f"No answer from {where} in time.")


def too_large(where: str, limit: float) -> SessionError:
    """`limit` in bytes, after decompression."""
    return SessionError(f"The answer of {where} exceeds {limit:.0f} bytes.", code="message-too-large")


def _named(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def explanation(body: bytes) -> str:
    """The words of a refusal in JSON as they came: JSON-RPC's error message, OAuth's description, or nothing."""
    value = _json_object(body)
    error = value.get("error")
    found = error.get("message") if isinstance(error, dict) else value.get("error_description") or error
    found = found or value.get("message") or value.get("detail")
    return found if isinstance(found, str) else ""


def is_rpc_error(body: bytes) -> bool:
    """Whether this is a JSON-RPC error answer, which counts whatever its HTTP status."""
    value = _json_object(body)
    error = value.get("error")
    return isinstance(error, dict) and isinstance(error.get("code"), int) and isinstance(error.get("message"), str)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def seconds_to_wait(header: str | None, now: datetime) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in seconds, at most an hour. None when absent or neither a number nor a date."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """`error`, what it groups and what caused it: the outermost first. Each once, also where causes run in a circle."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [found for found in (*inner, one.__cause__, one.__context__) if found is not None]


def describe(error: BaseException, where: str) -> SessionError:
    """The sentence for whatever an HTTP exchange or the libraries below us raised."""
    found = list(leaves(error))
    for one in found:
        if isinstance(one, SessionError):
            return one
    for one in found:
        known = _known(one, where)
        if known is not None:
            return known
    return SessionError(f"{where} cannot be used: {type(found[-1]).__name__}.", code="failed")


def _known(error: BaseException, where: str) -> SessionError | None:
    match error:
        case ssl.SSLCertVerificationError():
            reason = clean(error.verify_message)
            return SessionError(f"The certificate of {where} is not trusted: {reason}.", terminal=True, code="tls")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return SessionError(f"{where} hung up during the TLS handshake.", code="closed")
        case ssl.SSLError():
            reason = (error.reason or "no common protocol").lower().replace("_", " ")
            return SessionError(f"TLS with {where} failed: {reason}.", terminal=True, code="tls")
        case socket.gaierror():
            return SessionError(f"The name in {where} cannot be resolved.", code="dns")
        case ConnectionRefusedError():
            return SessionError(f"{where} refuses connections.", code="refused")
        case httpcore2.ConnectTimeout() | httpx2.ConnectTimeout():
            return SessionError(f"No connection to {where} came about in time.", code="unreachable")
    return _known_later(error, where)


def _known_later(error: BaseException, where: str) -> SessionError | None:
    """Wrappers: they count only where nothing beneath them says more."""
    match error:
        case httpcore2.LocalProtocolError() | httpx2.LocalProtocolError():
            return SessionError("The request cannot be sent: a header is not valid HTTP.", terminal=True, code="header")
        case httpcore2.RemoteProtocolError() | httpx2.RemoteProtocolError():
            if "connect" in str(error):
                return SessionError(f"{where} closed the connection.", code="closed")
            return SessionError(f"{where} answered something that is not HTTP.", code="protocol")
        case httpcore2.ProxyError() | httpx2.ProxyError():
            return SessionError(f"The proxy on the way to {where} refused: {clean(str(error))}.", code="proxy")
        case ConnectionError() | httpcore2.ReadError() | httpcore2.WriteError():
            return SessionError(f"{where} closed the connection.", code="closed")
        case httpx2.SSEError():
            return SessionError(f"{where} broke its event stream: {clean(str(error))}", code="protocol")
        case httpx2.DecodingError():
            return SessionError(f"{where} sent data that cannot be decompressed.", code="protocol")
        case OSError() if error.strerror:
            return SessionError(f"{where} cannot be reached: {error.strerror}.", code="unreachable")
    return None
