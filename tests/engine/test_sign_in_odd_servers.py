"""Signing in where a server does what the standards allow and few do, and what is left when it is over."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.sessions.sign_in.credential import SignInRefused
from tests.canary import CANARY
from tests.engine.desk import desk
from tests.engine.signing import (
    Clock,
    applied,
    clock,
    come_back,
    page_of,
    remote,
    sign_in,
    until_asked,
    until_connected,
)
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

__all__ = ["clock"]

pytestmark = [pytest.mark.anyio]


@requirement("AUTH-1:page")
async def test_the_query_of_an_authorization_endpoint_is_kept_and_ours_added_to_it(tmp_path: Path) -> None:
    async with OAuthServer() as server, desk(tmp_path, {"there": remote(server)}) as here:
        server.metadata = {"authorization_endpoint": f"{server.issuer}/authorize?policy=sign-in&x=y"}
        await here.apply()
        query = parse_qs(urlsplit(page_of(here)).query)
        assert (query["policy"], query["x"], query["response_type"]) == (["sign-in"], ["y"], ["code"])
        await sign_in(here, server)


@requirement("AUTH-1:client")
@pytest.mark.parametrize(
    ("methods", "in_the_form"),
    [(None, False), (["client_secret_post"], True), (["client_secret_post", "client_secret_basic"], False)],
)
async def test_a_registered_client_that_is_not_told_how_shows_its_secret_as_the_issuer_takes_it(
    tmp_path: Path, clock: Clock, methods: list[str] | None, in_the_form: bool
) -> None:
    async with OAuthServer() as server, desk(tmp_path, {"there": remote(server)}) as here:
        server.client = {"client_secret": "made", "token_endpoint_auth_method": None}
        server.metadata = {"token_endpoint_auth_methods_supported": methods}
        await here.apply()
        await sign_in(here, server)
        clock.ahead += 7200
        server.expire()
        assert await here.call("there", "whoami") == "ada"
        assert server.counts["refresh"] == 1
        assert [("client_secret" in form) for form in server.forms] == [in_the_form] * 2


@requirement("AUTH-1:secrets")
@pytest.mark.parametrize(
    "token",
    [
        {"access_token": [CANARY]},
        {"access_token": None, "accessToken": CANARY},
        {"expires_in": {"seconds": CANARY}},
        {"token_type": "mac"},
    ],
    ids=json.dumps,
)
async def test_of_an_answer_that_is_no_token_nothing_is_repeated(tmp_path: Path, token: dict[str, Any]) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        server.token = token
        with pytest.raises(SignInRefused) as refused:
            await come_back(here, server, page_of(here))
        said = str(refused.value)
        assert "the answer is not what it must be" in said
        assert CANARY[:4] not in said and "input_value" not in said and "pydantic" not in said


@requirement("AUTH-1:one-sign-in-asked")
async def test_who_signed_in_at_one_of_several_pages_is_shown_none_of_the_others(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        older = page_of(here)
        account = here.project.sign_ins._accounts["there"]
        account._pending[-1]._began -= 300
        newer = await here.project.sign_ins.begin("there")
        assert newer != older and await until_asked(here) == newer
        await come_back(here, server, newer)
        await until_connected(here)
        assert here.row("there")["authUrl"] is None
        with pytest.raises(SignInRefused, match="No sign-in waits here"):
            await come_back(here, server, older)
