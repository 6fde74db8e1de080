"""Signing in at Microsoft Entra as a program: what is asked for, what a server gets, and why it failed."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import anyio
import pytest

from reconciler.model.secret import SecretRef
from reconciler.model.server import Remote, Server
from reconciler.sessions.remote import RemoteSession, open_remote
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.azure import AUTHORITY, scope_of, token_url
from reconciler.sessions.sign_in.machine import Machines
from reconciler.sessions.sign_in.machine_settings import AzureCredentials, settings_of
from tests.canary import CANARY
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, EvilHttp, mcp, never, says
from tests.rig.tokens import House, document, form, token_number, wants
from tests.sessions.remotes import Heard, no_secrets, nothing_left, remote

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left"), requirement("AUTH-1:azure")]
__all__ = ["nothing_left"]

TENANT = "11111111-2222-3333-4444-555555555555"


def written(authority: str, **more: Any) -> dict[str, Any]:
    """What the file says under `azure`."""
    return {
        "tenantId": TENANT,
        "clientId": "app",
        "clientSecret": CANARY,
        "scope": "api://res",
        "authorityHost": authority,
        **more,
    }


@asynccontextmanager
async def places(
    house: House, behaviour: Behaviour | None = None, **more: Any
) -> AsyncIterator[tuple[EvilHttp, Server]]:
    """A server that wants tokens of `house`, and what the file says of it."""
    async with EvilHttp(house) as entra, EvilHttp(behaviour or wants(house, mcp())) as there:
        yield there, remote(there.url, azure=written(f"http://127.0.0.1:{entra.port}", **more))


@asynccontextmanager
async def opened(server: Server, machines: Machines) -> AsyncIterator[RemoteSession]:
    with anyio.fail_after(10):
        async with open_remote(server, no_secrets, Heard(), auth=machines.auth(server, no_secrets)) as session:
            yield session


async def failure(server: Server) -> SessionError:
    with pytest.raises(SessionError) as caught:
        async with opened(server, Machines()):
            raise AssertionError("it opened")
    return caught.value


async def test_the_token_is_asked_for_as_entra_wants_it_and_shown_to_the_server_alone() -> None:
    house = House()
    async with places(house) as (there, server), opened(server, Machines()) as session:
        await session.probe()
    [asked] = house.asked
    assert asked.target == f"/{TENANT}/oauth2/v2.0/token"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form(asked) == {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": CANARY,
        "scope": "api://res/.default",
    }
    assert {request.headers["authorization"] for request in there.requests} == {f"Bearer {token_number(1)}"}
    assert "authorization" not in asked.headers


async def test_the_first_request_carries_the_token_already() -> None:
    house = House()
    async with places(house) as (there, server), opened(server, Machines()):
        assert there.requests[0].headers["authorization"] == f"Bearer {token_number(1)}"


async def test_a_token_outlives_the_session_and_serves_the_next_one() -> None:
    house, machines = House(), Machines()
    async with places(house) as (_, server):
        for _ in range(3):
            async with opened(server, machines):
                pass
        assert len(house.asked) == 1
        assert isinstance(server.transport, Remote)
        azure = {**(server.transport.azure or {}), "scope": "api://other"}
        changed = replace(server, transport=replace(server.transport, azure=azure))
        async with opened(changed, machines):
            assert form(house.asked[-1])["scope"] == "api://other/.default"
        machines.forget("there")
        async with opened(changed, machines):
            assert len(house.asked) == 3


async def test_a_token_that_the_server_refuses_is_fetched_anew_once() -> None:
    house = House()
    async with places(house) as (_, server), opened(server, Machines()) as session:
        house.take_back()
        await session.probe()
        assert house.given == [token_number(1), token_number(2)]


async def test_a_server_that_takes_no_token_ends_the_session_and_not_the_authority() -> None:
    house = House()
    async with places(house, says(401)) as (_, server):
        error = await failure(server)
    assert (error.code, error.terminal) == ("auth", True) and "HTTP 401" in str(error)
    assert len(house.asked) <= 3


WORDS = (
    "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
    "value, not the client secret ID.\r\nTrace ID: 1f0e\r\nCorrelation ID: 2a\r\nTimestamp: 2026-01-01 00:00:00Z"
)


@pytest.mark.parametrize(
    "echo", [CANARY, quote(CANARY, safe=""), quote_plus(CANARY), base64.b64encode(CANARY.encode()).decode()]
)
async def test_why_entra_refuses_is_one_sentence_without_the_secret(echo: str) -> None:
    house = House(answers=[document({"error": "invalid_client", "error_description": f"{WORDS[:48]}: {echo}"}, 401)])
    async with places(house) as (there, server):
        error = await failure(server)
        assert there.requests == []
    assert (error.code, error.terminal) == ("auth", True)
    assert echo not in str(error) and "AADSTS7000215" in str(error)


async def test_what_entra_appends_for_its_own_people_is_left_out() -> None:
    house = House(answers=[document({"error": "invalid_client", "error_description": WORDS}, 401)])
    async with places(house) as (_, server):
        error = await failure(server)
    assert str(error) == (
        "Microsoft Entra refused (HTTP 401): AADSTS7000215: Invalid client secret provided. Ensure the secret being "
        "sent in the request is the client secret value, not the client secret ID."
    )


async def test_an_authority_in_trouble_is_tried_again_when_it_says() -> None:
    house = House(answers=[document({}, 503, retry_after="7")])
    async with places(house) as (_, server):
        error = await failure(server)
    assert (error.terminal, error.retry_after) == (False, 7) and str(error) == "Microsoft Entra refused (HTTP 503)."


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "a\r\nx-evil: 1"},
        {"access_token": "a b"},
        {"access_token": "ü"},
        {"access_token": "a", "token_type": "mac"},
    ],
)
async def test_what_is_no_token_is_never_sent(answer: Mapping[str, Any]) -> None:
    house = House(answers=[document(answer)])
    async with places(house) as (there, server):
        error = await failure(server)
        assert there.requests == []
    assert "Microsoft Entra" in str(error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b"\xff", b"[" * 50_000])
async def test_an_answer_that_is_no_object_is_said(body: bytes) -> None:
    house = House(answers=[says(200, body)])
    async with places(house) as (_, server):
        error = await failure(server)
    assert str(error) == "Microsoft Entra answered without a token that can be sent."


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("api://res", "api://res/.default"),
        ("api://res/.default", "api://res/.default"),
        (f" {TENANT} ", f"{TENANT}/.default"),
        ("https://host.example/", "https://host.example//.default"),
        ("a/x b/y", "a/x b/y"),
        ("a/x, b/y;c/z\td/w", "a/x b/y c/z d/w"),
        (" ,; ", ""),
    ],
)
def test_scopes_are_split_and_a_resource_by_itself_means_its_default(scope: str, asked: str) -> None:
    assert scope_of(scope) == asked


async def test_a_resource_is_sent_only_where_the_file_names_one() -> None:
    house = House()
    for resource in ("omit", "https://there.example"):
        async with places(house, resource=resource) as (_, server), opened(server, Machines()):
            pass
    assert [form(asked).get("resource") for asked in house.asked] == [None, "https://there.example"]


def settings(**given: Any) -> AzureCredentials:
    return AzureCredentials(**{"tenant": "t", "client_id": "a", "client_secret": CANARY, "scope": "s", **given})


@pytest.mark.parametrize(
    ("authority", "url"),
    [
        (None, f"{AUTHORITY}/t/oauth2/v2.0/token"),
        ("https://login.microsoftonline.us/", "https://login.microsoftonline.us/t/oauth2/v2.0/token"),
        ("login.partner.microsoftonline.cn", "https://login.partner.microsoftonline.cn/t/oauth2/v2.0/token"),
        ("http://127.0.0.1:8", "http://127.0.0.1:8/t/oauth2/v2.0/token"),
        ("http://localhost", "http://localhost/t/oauth2/v2.0/token"),
    ],
)
def test_the_authority_is_that_of_the_public_cloud_unless_the_file_names_another(
    authority: str | None, url: str
) -> None:
    assert str(token_url(settings(authority=authority))) == url


@pytest.mark.parametrize("authority", ["http://login.example", "ftp://x", "://", "https://", "file:///etc/passwd"])
def test_a_secret_is_not_sent_to_an_authority_without_tls(authority: str) -> None:
    with pytest.raises(SessionError, match="authorityHost") as caught:
        token_url(settings(authority=authority))
    assert caught.value.terminal


def test_a_tenant_cannot_lead_to_another_path() -> None:
    assert token_url(settings(tenant="../../x?y#z")).raw_path == b"/..%2F..%2Fx%3Fy%23z/oauth2/v2.0/token"


def test_references_are_resolved_when_the_session_is_opened() -> None:
    def resolve(reference: SecretRef) -> str:
        return f"<{reference.name}>"

    azure = written("http://127.0.0.1", clientSecret="${secret:entra}", tenantId="${env:TENANT}")
    found = settings_of(remote("http://127.0.0.1", azure=azure), resolve)
    assert isinstance(found, AzureCredentials)
    assert (found.client_secret, found.tenant) == ("<entra>", "<TENANT>")
    assert "<entra>" not in repr(found)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_secret_follows_no_redirect(status: int) -> None:
    async with EvilHttp(never) as trap:
        async with places(House(answers=[says(status, location=trap.url)])) as (_, server):
            error = await failure(server)
        assert trap.connections == 0
    assert f"HTTP {status}" in str(error)
