"""Open TCP connections only to addresses that were checked after resolution, under the original name for TLS."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import TypeAlias, cast
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore2
import httpx2

from reconciler.sessions.addresses import Address, Choose, as_literal
from reconciler.sessions.rationed import Rationed
from reconciler.sessions.session import SessionError

ASKED_AFTER, ASKED_AGAIN, ASKED_TIMES = 30, 10, 3
"""Seconds without a word after which the system asks the other end whether it is there, and so on: a stream that leads
nowhere ends within a minute, whoever forgot it on the way, and costs a server that is only quiet nothing."""

LookUp: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]

MAX_CONNECTIONS = 100
KEEP_ALIVE_CONNECTIONS = 8
KEEP_ALIVE = 4.0
"""Seconds; many servers hang up after 5, and a request written into that moment is lost."""
NEXT_ADDRESS = 0.25
"""Seconds until the next address is tried beside a slow one (RFC 8305)."""


async def look_up(host: str, port: int) -> Sequence[Address]:
    """The addresses of `host` in the system's order. Raises socket.gaierror."""
    literal = as_literal(host)
    if literal is not None:
        return (literal,)
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves a host, lets `choose` judge the addresses and connects to one of those, not to the name again.

    `held_up` is as in Rationed.
    """

    def __init__(self, choose: Choose, look_up: LookUp = look_up, held_up: Callable[[], None] = lambda: None) -> None:
        self._choose = choose
        self._look_up = look_up
        self._held_up = held_up
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        with anyio.move_on_after(timeout):
            try:
                found = await self._look_up(host, port)
            except socket.gaierror as error:
                raise httpcore2.ConnectError(str(error)) from error
            return Rationed(await self._first(self._choose(host, found), port), self._held_up)
        raise httpcore2.ConnectTimeout(f"no connection within {timeout} s")

    async def _first(self, addresses: Sequence[Address], port: int) -> httpcore2.AsyncNetworkStream:
        """The first connection that stands; an address gets a head start over the next one."""
        won: list[httpcore2.AsyncNetworkStream] = []
        failures: list[Exception] = []

        async def attempt(address: Address, over: anyio.Event) -> None:
            try:
                stream = await self._plain.connect_tcp(str(address), port, socket_options=kept_alive())
            except Exception as error:
                failures.append(error)
            else:
                won.append(stream)
                group.cancel_scope.cancel()
            finally:
                over.set()

        try:
            async with anyio.create_task_group() as group:
                for address in addresses:
                    over = anyio.Event()
                    group.start_soon(attempt, address, over)
                    with anyio.move_on_after(NEXT_ADDRESS):
                        await over.wait()
        except BaseException:
            await _close(won)
            raise
        await _close(won[1:])
        if not won:
            raise failures[0] if failures else httpcore2.ConnectError("the name has no address")
        return won[0]

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.UnsupportedProtocol("only TCP is dialled")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


@functools.cache
def kept_alive() -> Sequence[tuple[int, int, int]]:
    """The socket options for ASKED_AFTER and its like, as far as this system knows them (macOS has its own name)."""
    times = {
        "TCP_KEEPIDLE": ASKED_AFTER,
        "TCP_KEEPALIVE": ASKED_AFTER,
        "TCP_KEEPINTVL": ASKED_AGAIN,
        "TCP_KEEPCNT": ASKED_TIMES,
    }
    known = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in times.items() if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


async def _close(streams: Sequence[httpcore2.AsyncNetworkStream]) -> None:
    with anyio.CancelScope(shield=True):
        for stream in streams:
            await stream.aclose()


class CheckedTransport(httpx2.AsyncBaseTransport):
    """httpx2's requests over a connection pool whose every connection went through `choose`.

    `held_up` is as in Rationed.
    """

    def __init__(
        self,
        url: httpx2.URL,
        choose: Choose,
        look_up: LookUp = look_up,
        held_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
            proxy=proxy_for(url),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=KEEP_ALIVE_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=CheckedBackend(choose, look_up, held_up),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=cast(httpx2.AsyncByteStream, request.stream),
                extensions=request.extensions,
            )
        )
        stream = _Stream(cast("_Closable", answer.stream))
        return httpx2.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Closable(AsyncIterator[bytes]):
    async def aclose(self) -> None: ...


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, stream: _Closable) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def proxy_for(url: httpx2.URL) -> httpcore2.Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for `url`; never one for this machine.

    Raises SessionError for one that we cannot use.
    """
    literal = as_literal(url.host)
    if url.host == "localhost" or (literal is not None and literal.is_loopback) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return _proxy(found if "://" in found else f"http://{found}") if found else None


def _proxy(text: str) -> httpcore2.Proxy:
    try:
        proxy = httpx2.Proxy(text)
    except (ValueError, httpx2.InvalidURL):
        raise SessionError("The proxy named by the environment is not http:// or https://.", code="proxy") from None
    url = proxy.url
    if url.scheme not in ("http", "https") or not url.host:
        raise SessionError("The proxy named by the environment is not http:// or https://.", code="proxy")
    address = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return httpcore2.Proxy(address, auth=proxy.raw_auth)


@functools.cache
def tls_context(file: str | None, directory: str | None) -> ssl.SSLContext:
    """The system's trust, or what SSL_CERT_FILE / SSL_CERT_DIR name. One for all sessions: loading it takes 20 ms."""
    if file or directory:
        return ssl.create_default_context(cafile=file, capath=directory)
    return httpcore2.default_ssl_context()
