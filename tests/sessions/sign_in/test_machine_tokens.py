"""Signing in as a program with an id and a secret: where the token is asked for, what for, and who never sees it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.model.server import Server
from reconciler.sessions.remote import RemoteSession, open_remote
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import SignInRefused
from reconciler.sessions.sign_in.machine import Machines
from reconciler.sessions.sign_in.sign_ins import SignIns
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault
from tests.canary import CANARY
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, EvilHttp, Request, mcp, says
from tests.rig.tokens import ISSUER, RESOURCE, House, basic, document, form, token_number, wants
from tests.sessions.remotes import Heard, no_secrets, nothing_left, remote

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left"), requirement("AUTH-1:client-credentials")]
__all__ = ["nothing_left"]


class Places:
    """A server that wants a token of `house`, which listens elsewhere, and says so at the usual place."""

    def __init__(self, house: House, issuer: EvilHttp, there: EvilHttp, pages: dict[str, Any]) -> None:
        self.house, self.there, self.pages = house, there, pages
        self.issuer = issuer.url.removesuffix("/mcp")
        house.pages[ISSUER] = house.metadata(self.issuer)
        pages[f"{RESOURCE}/mcp"] = {"resource": there.url, "authorization_servers": [self.issuer]}

    def server(self, **oauth: Any) -> Server:
        """The server with what the file says under `oauth`; None leaves something out."""
        given = {
            "grant": "client_credentials",
            "clientId": "a client",
            "clientSecret": CANARY,
            "issuer": self.issuer,
            **oauth,
        }
        return remote(self.there.url, oauth={name: value for name, value in given.items() if value is not None})


@asynccontextmanager
async def places(house: House, inner: Behaviour | None = None, challenge: str = "Bearer") -> AsyncIterator[Places]:
    pages: dict[str, Any] = {}
    async with EvilHttp(house) as issuer, EvilHttp(wants(house, inner or mcp(), challenge, pages)) as there:
        yield Places(house, issuer, there, pages)


@asynccontextmanager
async def opened(server: Server, machines: Machines | None = None) -> AsyncIterator[RemoteSession]:
    auth = (machines or Machines()).auth(server, no_secrets)
    with anyio.fail_after(10):
        async with open_remote(server, no_secrets, Heard(), auth=auth) as session:
            yield session


async def failure(server: Server) -> SessionError:
    with pytest.raises(SessionError) as caught:
        async with opened(server):
            raise AssertionError("it opened")
    return caught.value


async def asked(found: Places, **oauth: Any) -> Request:
    """The one request for a token that a session makes."""
    async with opened(found.server(**oauth)) as session:
        await session.probe()
    [request] = found.house.asked
    return request


async def test_the_token_is_asked_for_at_the_issuer_with_the_secret_in_the_header() -> None:
    async with places(House()) as found:
        request = await asked(found)
        assert basic(request) == ("a client", CANARY)
        assert form(request) == {"grant_type": "client_credentials", "resource": found.there.url}
        shown = [seen.headers.get("authorization") for seen in found.there.requests if seen.target == "/mcp"]
        assert shown[0] is None and set(shown[1:]) == {f"Bearer {token_number(1)}"}


async def test_an_issuer_that_takes_it_so_gets_the_secret_in_the_form() -> None:
    async with places(House()) as found:
        found.house.pages[ISSUER]["token_endpoint_auth_methods_supported"] = ["private_key_jwt", "client_secret_post"]
        request = await asked(found)
        assert "authorization" not in request.headers
        assert (form(request)["client_id"], form(request)["client_secret"]) == ("a client", CANARY)


async def test_an_issuer_that_takes_no_secret_gets_none() -> None:
    async with places(House()) as found:
        found.house.pages[ISSUER]["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
        error = await failure(found.server())
        assert found.house.asked == []
    assert error.terminal and "takes no client secrets, only private_key_jwt" in str(error)


async def test_a_secret_goes_to_no_issuer_that_only_the_server_names() -> None:
    async with places(House()) as found:
        error = await failure(found.server(issuer=None))
        assert found.house.asked == []
    assert (error.code, error.terminal) == ("auth", True)
    assert f"write `issuer: {found.issuer}` under `oauth`" in str(error)


async def test_the_server_itself_may_give_out_its_tokens_without_a_word_in_the_file() -> None:
    house, pages = House(), dict[str, Any]()
    async with EvilHttp(wants(house, mcp(), pages=pages)) as there:
        own = there.url.removesuffix("/mcp")
        pages |= {
            f"{RESOURCE}/mcp": {"resource": there.url, "authorization_servers": [own]},
            ISSUER: house.metadata(own),
            "/token": house,
        }
        oauth = {"grant": "client_credentials", "clientId": "c", "clientSecret": CANARY}
        async with opened(remote(there.url, oauth=oauth)):
            assert len(house.asked) == 1


async def test_a_server_that_says_nothing_at_all_is_asked_at_its_token_path() -> None:
    house = House()
    async with EvilHttp(wants(house, mcp(), pages={"/token": house})) as there:
        oauth = {"grant": "client_credentials", "clientId": "c", "clientSecret": CANARY}
        async with opened(remote(there.url, oauth=oauth)):
            assert form(house.asked[0])["resource"] == there.url


async def test_a_server_that_says_nothing_is_signed_in_to_at_the_issuer_of_the_file() -> None:
    async with places(House()) as found:
        found.pages.clear()
        assert form(await asked(found))["resource"] == found.there.url


async def test_the_issuer_of_the_file_counts_and_not_the_one_the_server_names() -> None:
    async with places(House()) as found, EvilHttp(says(200)) as trap:
        found.pages[f"{RESOURCE}/mcp"]["authorization_servers"] = [trap.url]
        await asked(found)
        assert trap.connections == 0


async def test_a_token_for_another_server_is_never_asked_for() -> None:
    async with places(House()) as found:
        found.pages[f"{RESOURCE}/mcp"]["resource"] = "https://bank.example/mcp"
        error = await failure(found.server())
        assert found.house.asked == []
    assert error.terminal and "says that its tokens are for https://bank.example/mcp" in str(error)


async def test_an_issuer_that_speaks_for_another_one_gets_nothing() -> None:
    async with places(House()) as found:
        found.house.pages[ISSUER]["issuer"] = "https://other.example"
        error = await failure(found.server())
        assert found.house.asked == []
    assert error.terminal and "speaks for the issuer https://other.example" in str(error)


async def test_an_issuer_without_metadata_is_said() -> None:
    async with places(House()) as found:
        del found.house.pages[ISSUER]
        error = await failure(found.server())
    assert error.terminal and str(error).endswith("tells nothing of where it gives out tokens.")


async def test_an_issuer_in_trouble_is_tried_again() -> None:
    async with places(House()) as found:
        found.house.pages[ISSUER] = says(503)
        error = await failure(found.server())
    assert not error.terminal and "HTTP 503" in str(error)


@pytest.mark.parametrize(
    ("written", "expected"),
    [({"resource": "omit"}, None), ({"resource": "https://other.example/"}, "https://other.example/")],
)
async def test_the_resource_is_what_the_file_says(written: dict[str, str], expected: str | None) -> None:
    async with places(House()) as found:
        assert form(await asked(found, **written)).get("resource") == expected


async def test_the_scopes_of_the_file_are_asked_for_and_no_others() -> None:
    async with places(House(), challenge='Bearer scope="all of it"') as found:
        assert form(await asked(found, scopes=["read", "write"]))["scope"] == "read write"


async def test_without_a_word_in_the_file_the_scopes_are_those_of_the_challenge() -> None:
    async with places(House(), challenge='Bearer scope="tools:read"') as found:
        found.pages[f"{RESOURCE}/mcp"]["scopes_supported"] = ["everything"]
        assert form(await asked(found))["scope"] == "tools:read"


async def test_without_a_word_of_the_challenge_either_they_are_those_of_the_server() -> None:
    async with places(House()) as found:
        found.pages[f"{RESOURCE}/mcp"]["scopes_supported"] = ["a", "b"]
        assert form(await asked(found))["scope"] == "a b"


async def test_a_tool_that_wants_more_is_asked_again_with_more() -> None:
    more = 'Bearer error="insufficient_scope", scope="tools:write"'

    async def call(request: Request, connection: Any) -> None:
        if "tools:write" in form(found.house.asked[-1])["scope"].split():
            await connection.result(request, {"content": []})
        else:
            await connection.answer(403, b"{}", {"www-authenticate": more})

    async with places(House(), mcp(**{"tools/call": call}), challenge='Bearer scope="tools:read"') as found:
        async with opened(found.server()) as session:
            assert await session.request("tools/call", {"name": "x"}, timeout=5) == {"content": []}
        assert [form(each)["scope"] for each in found.house.asked] == ["tools:read", "tools:read tools:write"]


@pytest.mark.parametrize("challenge", ['Bearer error="insufficient_scope", scope="a"', 'Bearer error="invalid"', ""])
async def test_a_server_that_wants_what_it_has_got_is_not_humoured(challenge: str) -> None:
    refuse = says(403, www_authenticate=challenge)
    async with places(House(), mcp(**{"tools/call": refuse}), challenge='Bearer scope="a"') as found:
        async with opened(found.server()) as session:
            with pytest.raises(SessionError, match="HTTP 403"):
                await session.request("tools/call", {"name": "x"}, timeout=5)
        assert len(found.house.asked) == 1


async def test_twenty_calls_that_meet_a_refused_token_cost_one() -> None:
    async with places(House()) as found:
        async with opened(found.server()) as session:
            found.house.take_back()
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(session.probe)
        assert found.house.given == [token_number(1), token_number(2)]


async def test_an_ended_token_is_renewed_without_asking_the_server_first() -> None:
    house, now = House(), time.time()
    async with places(house) as found, opened(found.server(), Machines(lambda: now)) as session:
        now += 3601
        house.take_back()
        await session.probe()
        pings = [seen.headers.get("authorization") for seen in found.there.seen("ping")]
        assert pings == [f"Bearer {token_number(2)}"] and len(house.asked) == 2


async def test_a_session_ends_when_its_program_is_no_longer_let_in() -> None:
    async with places(House()) as found, opened(found.server()) as session:
        found.house.take_back()
        found.house.answers = [document({"error": "invalid_client"}, 401)] * 50
        with pytest.raises(SessionError, match="invalid_client"):
            await session.request("tools/list", {}, timeout=5)
        end = await session.ended()
    assert end.terminal and "invalid_client" in end.reason


async def test_nobody_is_sent_to_sign_in_where_a_program_does(tmp_path: Path) -> None:
    ours = SignIns(Vault(StateDir(tmp_path)), lambda: None, lambda server_id, forgotten: None)
    async with places(House()) as found:
        ours.auth(found.server(), no_secrets)
        with pytest.raises(SignInRefused, match='"there" signs in by itself, with the credentials in the file'):
            await ours.begin("there")
        assert ours.auth_url("there") is None
        assert CANARY in set(ours.secrets())
    await ours.close()


async def test_why_a_secret_is_refused_is_said_without_it() -> None:
    words = {"error": "invalid_client", "error_description": f"no client with the secret {CANARY}"}
    async with places(House(answers=[document(words, 401)])) as found:
        error = await failure(found.server())
    assert (error.code, error.terminal) == ("auth", True)
    assert "invalid_client: no client with the secret ***" in str(error)


async def test_the_secret_and_the_url_of_a_server_with_secrets_in_it_stay_here() -> None:
    async with places(House()) as found:
        server = found.server()
        url = f"{found.there.url.replace('//', '//me:cnry-password@')}?api_key={CANARY}"
        secret = remote(url, oauth=server.transport.oauth)  # type: ignore[union-attr]
        async with opened(secret):
            pass
        assert form(found.house.asked[0])["resource"] == found.there.url
        told = [seen for seen in found.there.requests if seen.target.startswith("/.well-known")]
        assert told and all("api_key" not in seen.target for seen in told)
        assert all("cnry-password" not in str(seen) for seen in found.house.asked)


@pytest.mark.parametrize("issuer", ["", "issuer", "ftp://x", "https://"])
async def test_an_issuer_in_the_file_that_is_no_url_is_said(issuer: str) -> None:
    async with places(House()) as found:
        error = await failure(found.server(issuer=issuer))
    assert error.terminal and str(error) == "The issuer under `oauth` is not a URL."
