"""Asking at addresses that a server told us: who is reached, what is sent there, and what comes back of it."""

import asyncio
import gzip
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import anyio
import httpx2
import pytest

from reconciler.sessions.addresses import Address, Forbidden, as_literal
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.learnt import SECONDS, Learnt
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, Connection, EvilHttp, Request, never, resets, says
from tests.rig.spellings import LOOPBACK, METADATA, PRIVATE, TRICKS
from tests.rig.tokens import document
from tests.sessions.remotes import nothing_left

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("nothing_left"),
    requirement("AUTH-1:learnt-addresses"),
]
__all__ = ["nothing_left"]

FAR = httpx2.URL("https://mcp.example/mcp")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Names:
    """A resolver with one list of addresses after the other, whatever name is asked for; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = [list(map(ip_address, answer)) for answer in answers]
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        literal = as_literal(host)
        if literal is not None:
            return [literal]
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def refusal(learnt: Learnt, url: str, method: str = "GET") -> SessionError:
    with anyio.fail_after(20), pytest.raises(SessionError) as caught:
        await learnt.ask(httpx2.Request(method, url))
    return caught.value


# Who is reached


def _urls(hosts: Sequence[str]) -> list[str]:
    """The URLs that can be made of these hosts at all."""
    found = []
    for host in hosts:
        try:
            httpx2.URL(f"https://{host}:1/")
        except httpx2.InvalidURL:
            continue
        found.append(host)
    return found


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", _urls([*LOOPBACK, *METADATA, *PRIVATE, *TRICKS]))
async def test_nothing_inside_is_reached_because_a_server_says_so(host: str, scheme: str) -> None:
    async with EvilHttp(never) as trap:
        error = await refusal(Learnt(FAR), f"{scheme}://{host}:{trap.port}/token", "POST")
        assert trap.connections == 0
    assert error.code in ("address", "dns", "refused", "unreachable", "deadline")


@pytest.mark.parametrize("url", ["ftp://x.example/", "file:///etc/passwd", "javascript:alert(1)", "data:,x", "/token"])
async def test_only_the_web_is_asked(url: str) -> None:
    assert isinstance(await refusal(Learnt(FAR), url), Forbidden)


async def test_what_is_public_is_not_asked_in_plain_text_and_not_even_looked_up() -> None:
    names = Names(["127.0.0.1"])
    error = await refusal(Learnt(FAR, look_up=names), "http://auth.example/metadata?secret=1")
    assert str(error) == "A server named http://auth.example/metadata, which is not https." and names.asked == []


async def test_credentials_in_an_address_are_not_used() -> None:
    error = await refusal(Learnt(FAR), "https://me:secret@auth.example/")
    assert isinstance(error, Forbidden) and "secret" not in str(error)


async def test_a_name_is_looked_up_once_and_what_it_said_is_judged() -> None:
    async with EvilHttp(never) as trap:
        names = Names(["127.0.0.1"], ["93.184.216.35"])
        error = await refusal(Learnt(FAR, look_up=names), f"https://auth.example:{trap.port}/")
        assert trap.connections == 0
    assert names.asked == ["auth.example"] and "write `issuer` under `oauth`" in str(error)


@pytest.mark.parametrize("answer", [["93.184.216.35", "127.0.0.1"], ["127.0.0.1", "93.184.216.35"]])
async def test_one_address_inside_is_enough_to_refuse_a_name(answer: list[str]) -> None:
    async with EvilHttp(never) as trap:
        learnt = Learnt(FAR, look_up=Names(answer))
        assert isinstance(await refusal(learnt, f"https://auth.example:{trap.port}/"), Forbidden)
        assert trap.connections == 0


async def test_the_server_itself_and_what_the_file_names_may_be_anywhere() -> None:
    async with EvilHttp(document({"here": True})) as there, EvilHttp(never) as trap:
        own = httpx2.URL(f"http://mcp.lan:{there.port}/mcp")
        issuer = httpx2.URL(f"http://auth.lan:{there.port}/realm")
        learnt = Learnt(own, [issuer], Names(["127.0.0.1"]))
        for url in (own.join("/.well-known/x"), issuer.join("/elsewhere")):
            assert (await learnt.ask(httpx2.Request("GET", url))).json() == {"here": True}
        for url in (own.copy_with(port=trap.port), issuer.copy_with(scheme="https"), own.copy_with(host="x.lan")):
            assert isinstance(await refusal(learnt, str(url)), Forbidden)
        assert trap.connections == 0


async def test_a_server_on_loopback_may_name_others_there_and_nothing_else_inside() -> None:
    async with EvilHttp(document({})) as there:
        learnt = Learnt(httpx2.URL("http://localhost:1/mcp"))
        assert (await learnt.ask(httpx2.Request("GET", there.url))).status_code == 200
        for host in ("10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "192.168.1.1"):
            for scheme in ("http", "https"):
                assert isinstance(await refusal(learnt, f"{scheme}://{host}/"), Forbidden)
        told = Learnt(httpx2.URL("http://localhost:1/mcp"), look_up=Names(["93.184.216.35"]))
        assert "is not https" in str(await refusal(told, "http://auth.example/"))


@pytest.mark.parametrize("url", ["http://mcp.example/", "http://127.1/", "http://127.0.0.1.nip.example/"])
async def test_a_server_is_on_loopback_only_where_the_file_says_so(url: str) -> None:
    """A name leads to loopback whenever its owner says so."""
    async with EvilHttp(never) as trap:
        learnt = Learnt(httpx2.URL(url), look_up=Names(["127.0.0.1"]))
        assert isinstance(await refusal(learnt, trap.url), Forbidden)
        assert trap.connections == 0


async def test_a_proxy_is_not_asked_to_reach_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    async with EvilHttp(says(200)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        for host in ("10.0.0.1", "0x7f.1", "2852039166", "[::ffff:10.0.0.1]"):
            assert isinstance(await refusal(Learnt(FAR), f"https://{host}/"), Forbidden)
        assert isinstance(await refusal(Learnt(FAR, look_up=Names(["10.0.0.1"])), "https://auth.example/"), Forbidden)
        assert proxy.connections == 0
        await refusal(Learnt(FAR, look_up=Names(["93.184.216.35"])), "https://auth.example/")
        assert [request.target for request in proxy.requests] == ["auth.example:443"]


# Redirects


def leads(status: int, to: str, then: Behaviour) -> Behaviour:
    """Redirects from `/from`."""

    async def behave(request: Request, connection: Connection) -> None:
        found = says(status, location=to) if request.target == "/from" else then
        await found(request, connection)

    return behave


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_within_the_origin_is_followed_where_it_keeps_the_method(status: int, method: str) -> None:
    async with EvilHttp(leads(status, "/to", document({"there": True}))) as there:
        url = there.url.replace("/mcp", "/from")
        response = await Learnt(httpx2.URL(there.url)).ask(httpx2.Request(method, url, content=b"x"))
    followed = method == "GET" or status in (307, 308)
    assert response.status_code == (200 if followed else status)
    assert [(each.method, each.body) for each in there.requests] == [(method, b"x")] * (2 if followed else 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_elsewhere_is_not_followed(status: int, method: str) -> None:
    async with EvilHttp(never) as trap:
        for target in (trap.url, f"//127.0.0.1:{trap.port}/", f"https://127.0.0.1:{trap.port}/", "http://["):
            async with EvilHttp(says(status, location=target)) as there:
                response = await Learnt(httpx2.URL(there.url)).ask(httpx2.Request(method, there.url))
                assert response.status_code == status and len(there.requests) == 1
        assert trap.connections == 0


async def test_a_redirect_that_brings_credentials_is_not_followed() -> None:
    async with EvilHttp(never) as there:
        there.behaviour = says(307, location=there.url.replace("//", "//me:secret@"))
        await Learnt(httpx2.URL(there.url)).ask(httpx2.Request("GET", there.url))
        assert len(there.requests) == 1


async def test_a_circle_of_redirects_ends() -> None:
    async with EvilHttp(says(307, location="/from")) as there:
        response = await Learnt(httpx2.URL(there.url)).ask(httpx2.Request("GET", there.url))
        assert response.status_code == 307 and len(there.requests) == 1 + LIMITS.redirects


# What is sent and what comes back


async def test_an_answer_is_asked_for_as_json_and_uncompressed() -> None:
    async with EvilHttp(document({})) as there:
        await Learnt(httpx2.URL(there.url)).ask(httpx2.Request("GET", there.url))
        [request] = there.requests
    assert (request.headers["accept"], request.headers["accept-encoding"]) == ("application/json", "identity")
    assert request.headers["user-agent"].startswith("mcp-reconciler/")


@pytest.mark.parametrize(("method", "limit"), [("GET", LIMITS.metadata), ("POST", LIMITS.token)])
@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_at_its_limit_passes_and_one_byte_more_does_not(
    method: str, limit: int, announced: bool
) -> None:
    async def behave(request: Request, connection: Connection) -> None:
        size = limit + request.target.count("more")
        if announced:
            await connection.answer(200, b"x" * size)
            return
        await connection.head(200, {"connection": "close"})
        await connection.raw(b"x" * size)
        connection.writer.close()

    async with EvilHttp(behave) as there:
        learnt = Learnt(httpx2.URL(there.url))
        response = await learnt.ask(httpx2.Request(method, there.url))
        assert len(response.content) == limit
        assert (await refusal(learnt, f"{there.url}/more", method)).code == "message-too-large"


async def test_a_body_without_end_is_cut() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.head(200, {"connection": "close"})
        while True:
            await connection.raw(b"x" * 65536)

    async with EvilHttp(behave) as there:
        assert (await refusal(Learnt(httpx2.URL(there.url)), there.url)).code == "message-too-large"


async def test_a_compressed_answer_is_not_opened() -> None:
    async with EvilHttp(never) as there:
        there.behaviour = says(200, gzip.compress(b"{}"), content_encoding="gzip")
        assert "content encoding 'gzip'" in str(await refusal(Learnt(httpx2.URL(there.url)), there.url))


async def drips(request: Request, connection: Connection) -> None:
    await connection.head(200, {"connection": "close"})
    await connection.drip(b"x", 0.02)


@pytest.mark.parametrize("behaviour", [never, drips])
async def test_an_answer_that_does_not_come_or_does_not_end_is_given_up(
    behaviour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.sessions.sign_in.learnt.SECONDS", 0.2)
    async with EvilHttp(behaviour) as there:
        error = await refusal(Learnt(httpx2.URL(there.url)), there.url)
    assert (error.code, str(error)) == ("deadline", f"No answer from 127.0.0.1:{there.port} in time.")
    assert SECONDS == 10


async def test_a_name_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(host: str, port: int) -> Sequence[Address]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    monkeypatch.setattr("reconciler.sessions.sign_in.learnt.SECONDS", 0.1)
    assert (await refusal(Learnt(FAR, look_up=look_up), "https://auth.example/")).code == "deadline"


async def test_a_connection_that_breaks_is_said_of_whom_it_was_to() -> None:
    async with EvilHttp(resets) as there:
        error = await refusal(Learnt(httpx2.URL(there.url)), there.url)
    assert str(error) == f"127.0.0.1:{there.port} closed the connection."
