"""Where a remote server is and which headers go with every request: resolved and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx2

from reconciler.model.secret import HIDDEN, SecretRef, Template
from reconciler.model.server import Remote
from reconciler.sessions.http_failures import clean, place
from reconciler.sessions.session import Resolve, SessionError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_RESERVED = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "proxy-authenticate", "proxy-authorization"}
)
"""Of the connection, not of the caller (RFC 9110, 7.6.1). `mcp-` headers belong to the protocol likewise."""


_SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Target:
    """A URL and headers with every reference resolved; `where` is what may be shown of them."""

    url: httpx2.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def where(self) -> str:
        return place(self.url)

    def said(self, text: str) -> str:
        """Words of the server as they may be shown: cleaned, cut, and without our secrets, which some repeat."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return clean(text)


def target_of(transport: Remote, resolve: Resolve) -> Target:
    """Open the references of a remote server. Raises SessionError for what no request could be made of."""
    found: list[str] = []

    def look_up(reference: SecretRef) -> str:
        found.append(resolve(reference))
        return found[-1]

    url = _url(transport.url.resolve(look_up))
    headers: dict[str, str] = {}
    for name, template in transport.headers.items():
        _check_name(name, headers)
        headers[name] = _value(name, template, look_up)
    return Target(url, headers, _secrets(found, url, headers))


def _secrets(found: list[str], url: httpx2.URL, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be shown, the longest first: what references gave, and what is written out in the usual places."""
    values = {*found, url.password, *url.params.values()}
    for value in headers.values():
        values |= {value, value.partition(" ")[2]}
    return tuple(sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True))


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, UnicodeError):
        raise SessionError("The url is not a URL.", terminal=True, code="url") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise SessionError("The url must begin with http:// or https:// and name a host.", terminal=True, code="url")
    return url.copy_with(fragment=None)


def _check_name(name: str, before: Mapping[str, str]) -> None:
    lower = name.lower()
    if not _NAME.fullmatch(name):
        raise _bad_header("The name of a header holds characters that HTTP does not allow.")
    if lower in _RESERVED or lower.startswith("mcp-"):
        raise _bad_header(f'The header "{name}" is set by the connection itself.')
    if lower in (other.lower() for other in before):
        raise _bad_header(f'The header "{name}" is given twice.')


def _value(name: str, template: Template, look_up: Callable[[SecretRef], str]) -> str:
    value = template.resolve(look_up).strip(" \t")
    if not _VALUE.fullmatch(value):
        what = "a line break" if "\n" in value or "\r" in value else "a character that HTTP does not allow"
        raise _bad_header(f'The value of the header "{name}" holds {what}.')
    return value


def _bad_header(message: str) -> SessionError:
    return SessionError(message, terminal=True, code="header")
