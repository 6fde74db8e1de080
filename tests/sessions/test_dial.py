"""Dialling: the address that was checked is the one that is reached, under the name that was asked for."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import anyio
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.sessions.addresses import Address, Forbidden, choose_learnt, choose_written
from reconciler.sessions.dial import (
    ASKED_AFTER,
    ASKED_AGAIN,
    ASKED_TIMES,
    CheckedBackend,
    CheckedTransport,
    kept_alive,
    look_up,
    proxy_for,
    tls_context,
)
from reconciler.sessions.session import SessionError
from tests.requirements import requirement
from tests.rig.evil_http import EvilHttp, mcp, never, says
from tests.sessions.remotes import failure, nothing_left, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]
__all__ = ["nothing_left"]

HERE = ip_address("127.0.0.1")


class Resolver:
    """Answers one list of addresses after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = [[ip_address(text) for text in answer] for answer in answers]
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        return self.answers.pop(0)


async def test_the_name_is_asked_for_once_and_what_it_said_is_dialled() -> None:
    resolver = Resolver(["127.0.0.1"], ["10.0.0.1"])
    async with EvilHttp(says(200, b"hello")) as server:
        url = httpx2.URL(f"http://there.example:{server.port}/")
        async with httpx2.AsyncClient(transport=CheckedTransport(url, choose_written, resolver)) as client:
            response = await client.get(url)
            assert response.text == "hello"
            assert server.requests[0].headers["host"] == f"there.example:{server.port}"
    assert resolver.asked == ["there.example"]


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_nothing_is_dialled_for_a_told_name_that_leads_inside(answer: list[str]) -> None:
    async with EvilHttp(never) as trap:
        backend = CheckedBackend(choose_learnt, Resolver(answer))
        with pytest.raises(Forbidden):
            await backend.connect_tcp("evil.example", trap.port, timeout=5)
        assert trap.connections == 0


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "localhost"])
async def test_spellings_of_loopback_are_judged_by_what_they_resolve_to(host: str) -> None:
    async with EvilHttp(never) as trap:
        with pytest.raises(Forbidden):
            await CheckedBackend(choose_learnt).connect_tcp(host, trap.port, timeout=5)
        assert trap.connections == 0


async def test_a_dead_address_does_not_keep_from_the_next_one() -> None:
    async with EvilHttp(never) as server:
        backend = CheckedBackend(choose_written, Resolver(["127.0.0.2", "127.0.0.1"]))
        with anyio.fail_after(2):
            stream = await backend.connect_tcp("there.example", server.port, timeout=5)
            await stream.aclose()


@requirement("LIVE-2:bad-networks")
async def test_the_system_asks_within_a_minute_whether_the_other_end_is_there() -> None:
    async with EvilHttp(never) as server:
        stream = await CheckedBackend(choose_written).connect_tcp("127.0.0.1", server.port, timeout=5)
        dialled = stream.get_extra_info("socket")
        assert dialled.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        found = {name: dialled.getsockopt(level, name) for level, name, _ in kept_alive()[1:]}
        assert found == {name: value for _, name, value in kept_alive()[1:]}
        assert len(found) == 3 and ASKED_AFTER + ASKED_TIMES * ASKED_AGAIN <= 60
        await stream.aclose()


async def test_a_name_without_addresses_cannot_be_dialled() -> None:
    with pytest.raises(Exception, match="has no address"):
        await CheckedBackend(choose_written, Resolver([])).connect_tcp("there.example", 80, timeout=5)


async def test_a_literal_is_not_looked_up() -> None:
    assert await look_up("127.0.0.1", 1) == (IPv4Address("127.0.0.1"),)
    assert [str(found) for found in await look_up("[::1]", 1)] == ["::1"]


async def test_a_resolver_that_hangs_is_given_up_at_the_connect_timeout() -> None:
    async def hang(host: str, port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        raise AssertionError

    with anyio.fail_after(2), pytest.raises(Exception, match=r"no connection within 0\.1 s"):
        await CheckedBackend(choose_written, hang).connect_tcp("there.example", 80, timeout=0.1)


# Proxies


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_only(**values: str) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_only


async def test_a_proxy_of_the_environment_is_used_with_its_credentials(proxied: Callable[..., None]) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp()) as proxy:
            proxied(http_proxy=f"http://me:pass@127.0.0.1:{proxy.port}")
            async with opened("http://mcp.invalid/path?q=1") as session:
                await session.probe()
            assert proxy.requests[0].target == "http://mcp.invalid/path?q=1"
            assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6cGFzcw=="


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/", "http://in.corp/"])
async def test_no_proxy_stands_between_us_and_this_machine_or_an_exempt_name(
    url: str, proxied: Callable[..., None]
) -> None:
    proxied(HTTP_PROXY="http://proxy:3128", NO_PROXY="in.corp")
    assert proxy_for(httpx2.URL(url)) is None
    assert proxy_for(httpx2.URL("http://out.example/")) is not None


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "ftp://x", "http://"])
async def test_a_proxy_that_cannot_be_used_is_said(proxy: str, proxied: Callable[..., None]) -> None:
    proxied(all_proxy=proxy)
    with anyio.fail_after(5):
        error = await failure("http://mcp.invalid/")
    assert isinstance(error, SessionError) and "proxy" in str(error).lower()


# TLS


class Authority:
    """A certificate authority of our own, and the certificates it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.file = folder / "authority.crt"
        certificate = self._sign(
            self.name, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=0), days=30
        )
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str = "127.0.0.1", *, days: int = 30, signed: bool = True) -> ssl.SSLContext:
        """A server's context with a certificate for `host`; `signed` False makes it sign itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        names = x509.SubjectAlternativeName([alternative])
        certificate = self._sign(name, key.public_key(), names, days=days, by=None if signed else key)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self.folder / "server.pem"
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extension: x509.ExtensionType,
        *,
        days: int,
        by: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name if by else self.name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(now - dt.timedelta(days=60)).not_valid_after(now + dt.timedelta(days=days))
        return builder.sign(by or self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    found = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(found.file))
    return found


async def test_a_server_with_a_trusted_certificate_is_reached(authority: Authority) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless"), tls=authority.server()) as server, opened(server.url) as session:
            await session.probe()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"days": -1}, "expired"),
        ({"host": "elsewhere.example"}, "mismatch"),
        ({"signed": False}, "self-signed"),
    ],
)
async def test_a_certificate_that_proves_nothing_is_refused(
    authority: Authority, made: dict[str, object], words: str
) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(never, tls=authority.server(**made)) as server:  # type: ignore[arg-type]
            error = await failure(server.url)
            assert server.requests == []
    assert (error.code, error.terminal) == ("tls", True)
    assert str(error).startswith(f"The certificate of 127.0.0.1:{server.port} is not trusted: ")
    assert words in str(error)


async def test_an_unknown_authority_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with anyio.fail_after(5):
        async with EvilHttp(never, tls=authority.server()) as server:
            error = await failure(server.url)
    assert (error.code, error.terminal) == ("tls", True)


async def test_a_server_that_speaks_no_tls_is_said() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(says(400)) as server:
            error = await failure(server.url.replace("http:", "https:"))
    assert error.code in ("tls", "closed") and "TLS" in str(error)


def test_the_trust_of_the_system_is_loaded_once() -> None:
    context = tls_context(None, None)
    assert context is tls_context(None, None)
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
