"""Asks for what signing in needs, metadata and tokens, at addresses that a server told us: the guard on those.

An answer comes whole, in time and small, or not at all. Nobody is followed to another origin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import anyio
import httpx2

from reconciler import __version__
from reconciler.sessions.addresses import (
    Address,
    Choose,
    Forbidden,
    choose_learnt,
    choose_learnt_from_loopback,
    choose_written,
    is_loopback,
)
from reconciler.sessions.dial import CheckedTransport, LookUp, look_up, proxy_for
from reconciler.sessions.http_body import check_encoding, check_length
from reconciler.sessions.http_failures import clean, describe, place, too_large, too_late
from reconciler.sessions.http_stream import same_origin
from reconciler.sessions.limits import LIMITS

SECONDS = 10.0
"""For one answer in all: name, connection, redirects within the origin and body."""
_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_METHOD_KEPT = frozenset({307, 308})
_PORTS = {"http": 80, "https": 443}
Origin: TypeAlias = tuple[str, str, int | None]


class Learnt:
    """Asks on behalf of one server, whose own URL is `url`.

    Its own origin, and those of `named`, which the file spells out, are dialled as what a person wrote. Every other one
    is what a server told us: public and over TLS; where the server is on loopback itself, loopback too.
    """

    def __init__(self, url: httpx2.URL, named: Iterable[httpx2.URL] = (), look_up: LookUp = look_up) -> None:
        self._written = frozenset(map(_origin, (url, *named)))
        self._on_loopback = is_loopback(url.host)
        self._look_up = look_up

    async def ask(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer, whatever its status. Raises SessionError: address, deadline, message-too-large, protocol,
        and what a connection can fail of.
        """
        where = place(request.url)
        request.headers.setdefault("accept", "application/json")
        request.headers.setdefault("user-agent", f"mcp-reconciler/{__version__}")
        request.headers["accept-encoding"] = "identity"
        try:
            with anyio.fail_after(SECONDS):
                return await self._followed(request, where)
        except TimeoutError:
            raise too_late(where) from None
        except Exception as error:
            raise describe(error, where) from None

    async def _followed(self, request: httpx2.Request, where: str) -> httpx2.Response:
        response = await self._answer(request, where)
        for _ in range(LIMITS.redirects):
            target = _within_origin(request, response)
            if target is None:
                break
            request = httpx2.Request(request.method, target, headers=request.headers, content=request.content)
            response = await self._answer(request, where)
        return response

    async def _answer(self, request: httpx2.Request, where: str) -> httpx2.Response:
        choose = await self._choice(request.url)
        transport = CheckedTransport(request.url, choose, self._look_up)
        try:
            response = await transport.handle_async_request(request)
            try:
                return await _whole(request, response, where)
            finally:
                await response.aclose()
        finally:
            await transport.aclose()

    async def _choice(self, url: httpx2.URL) -> Choose:
        """Who judges the addresses that are dialled for this URL. Raises Forbidden."""
        if url.scheme not in _PORTS or not url.host:
            raise Forbidden(f"A server named {_shown(url)}, which is no address on the web.")
        if _origin(url) in self._written:
            return choose_written
        if url.userinfo:
            raise Forbidden(f"A server named {_shown(url)} with credentials in it.")
        if url.scheme == "http" and not self._on_loopback:
            raise Forbidden(f"A server named {_shown(url)}, which is not https.")
        if proxy_for(url) is None:
            return self._judge(url)
        host = url.raw_host.decode("ascii")
        self._judge(url)(host, await self._look_up(host, url.port or _PORTS[url.scheme]))
        return choose_written  # what is dialled is the proxy, which the environment names

    def _judge(self, url: httpx2.URL) -> Choose:
        among = choose_learnt_from_loopback if self._on_loopback else choose_learnt

        def choose(host: str, addresses: Sequence[Address]) -> Sequence[Address]:
            try:
                chosen = among(host, addresses)
            except Forbidden as error:
                words = f"{clean(str(error))}. If it is to be trusted, write `issuer` under `oauth` in the file"
                raise Forbidden(f"{words[0].upper()}{words[1:]}.") from None
            if url.scheme == "http" and not all(address.is_loopback for address in chosen):
                raise Forbidden(f"A server named {_shown(url)}, which is not https.")
            return chosen

        return choose


def _origin(url: httpx2.URL) -> Origin:
    return url.scheme, url.host, url.port


def _shown(url: httpx2.URL) -> str:
    """A URL for sentences: without what may be a secret."""
    return clean(str(url.copy_with(userinfo=b"", query=None, fragment=None)))


def _within_origin(request: httpx2.Request, response: httpx2.Response) -> httpx2.URL | None:
    """Where a redirect leads that changes neither origin nor method."""
    location = response.headers.get("location")
    kept = request.method == "GET" or response.status_code in _METHOD_KEPT
    if response.status_code not in _FOLLOWED or not location or not kept:
        return None
    try:
        target = request.url.join(location)
    except (httpx2.InvalidURL, ValueError):
        return None
    if not same_origin(request.url, target) or target.userinfo not in (b"", request.url.userinfo):
        return None
    return target


async def _whole(request: httpx2.Request, response: httpx2.Response, where: str) -> httpx2.Response:
    limit = LIMITS.metadata if request.method == "GET" else LIMITS.token
    check_encoding(response, where, plain=True)
    check_length(response, where, limit)
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > limit:
            raise too_large(where, limit)
    return httpx2.Response(response.status_code, headers=response.headers, content=bytes(body), request=request)
