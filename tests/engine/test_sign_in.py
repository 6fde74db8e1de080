"""Signing in to servers with a person: first, again, for long, at once, and what must not work."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from reconciler.engine.project import Project
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in import account
from reconciler.sessions.sign_in.credential import SignInRefused
from tests.engine.desk import desk
from tests.engine.signing import (
    Clock,
    applied,
    clock,
    come_back,
    page_of,
    remote,
    sign_in,
    signed_in,
    until_asked,
    until_connected,
)
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

__all__ = ["clock"]

pytestmark = [pytest.mark.anyio]
HOUR = 3600.0


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@requirement("AUTH-1:sign-in")
async def test_the_status_names_the_page_and_the_session_opens_as_soon_as_somebody_signed_in_there(
    tmp_path: Path,
) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        row = here.row("there")
        assert (row["status"], row["health"]) == ("error", "Degraded")
        way_in = f"sign in at {row['authUrl']} (or by `reconciler auth there`)"
        assert row["reason"] == f"there wants you to sign in: {way_in}"
        assert server.counts == {"mcp": 1, "refused": 1, "prm": 1, "metadata": 1, "register": 1}
        await sign_in(here, server)
        assert here.row("there")["authUrl"] is None and here.row("there")["reason"] is None
        assert await here.call("there", "whoami") == "ada"
        assert server.counts["refused"] == 1 and server.counts["authorize"] == server.counts["code"] == 1


@requirement("AUTH-1:sign-in")
async def test_a_sign_in_page_is_asked_for_with_proof_state_resource_and_the_way_back(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        asked = query_of(page_of(here))
        assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
        assert len(asked["state"]) >= 32 and asked["resource"] == server.url
        assert asked["redirect_uri"] == "http://127.0.0.1:7717/oauth/mcp/callback" and "scope" not in asked


@requirement("AUTH-1:stays-signed-in")
async def test_after_a_restart_an_expired_token_is_renewed_and_nobody_is_asked(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server:
        async with applied(tmp_path, server) as here:
            await sign_in(here, server)
        clock.ahead += 2 * HOUR
        server.expire()
        server.counts.clear()
        async with desk(tmp_path) as here:
            await until_connected(here)
            assert await here.call("there", "whoami") == "ada"
        assert server.counts.pop("mcp") > 0
        assert server.counts == {"refresh": 1}


@requirement("AUTH-1:stays-signed-in")
async def test_after_a_restart_a_token_that_holds_is_used_as_it_is(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        async with applied(tmp_path, server) as here:
            await sign_in(here, server)
        server.counts.clear()
        async with desk(tmp_path) as here:
            await until_connected(here)
        assert set(server.counts) == {"mcp"}


@requirement("AUTH-1:one-renewal")
@pytest.mark.parametrize("known", [True, False], ids=["known", "met"])
async def test_twenty_calls_that_meet_the_end_of_a_token_renew_it_once(
    tmp_path: Path, clock: Clock, known: bool
) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        clock.ahead += 2 * HOUR if known else 0
        server.expire()
        server.counts.clear()
        answers = await asyncio.gather(*(here.call("there", "whoami") for _ in range(20)))
        assert answers == ["ada"] * 20 and server.counts["refresh"] == 1
        assert server.counts["authorize"] == server.counts["register"] == 0
        assert (server.counts["refused"] == 0) is known


@requirement("AUTH-1:one-renewal")
async def test_a_token_is_renewed_a_minute_before_its_end(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        clock.ahead = HOUR - 120
        await here.call("there", "whoami")
        assert server.counts["refresh"] == 0
        clock.ahead = HOUR - 30
        await here.call("there", "whoami")
        assert server.counts["refresh"] == 1 and server.counts["refused"] == 1


@requirement("AUTH-1:one-renewal")
async def test_calls_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Two calls are both at the server before either is answered."""
    arrived, both = [0], asyncio.Event()

    async def hold(at: str) -> None:
        arrived[0] += 1
        if arrived[0] == 2:
            both.set()
        await both.wait()

    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        server.hold = hold
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(here.call("there", "whoami") for _ in range(2))) == ["ada", "ada"]


@requirement("AUTH-1:kept-before-use")
async def test_a_rotated_token_is_in_the_vault_when_it_is_first_used(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        server.rotates, kept = True, list[bool]()

        async def hold(at: str) -> None:
            if at == "used":
                kept.append(server.refresh.keys() == {refresh_token(here.project)})

        clock.ahead += 2 * HOUR
        server.expire()
        server.hold = hold
        await here.call("there", "whoami")
        assert kept and all(kept) and len(server.refresh) == 1


def refresh_token(project: Project) -> str:
    """What the vault holds, read as by another process."""
    (name,) = project.vault.internal("@sign-in/there/")
    token: str = json.loads(type(project.vault)(project.state).get(name) or "")["grant"]["refresh_token"]
    return token


@requirement("AUTH-1:one-sign-in-asked")
@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client"])
async def test_where_a_renewal_is_refused_one_page_is_shown_and_nothing_is_tried_again(
    tmp_path: Path, clock: Clock, code: str
) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        clock.ahead += 2 * HOUR
        server.expire()
        server.refusal = (400, {"error": code})
        server.counts.clear()
        calls = (here.call("there", "whoami") for _ in range(20))
        failures = await asyncio.gather(*calls, return_exceptions=True)
        page = await until_asked(here)
        assert all(isinstance(failure, Exception) for failure in failures)
        assert server.counts["refresh"] == 1 and server.counts["prm"] == 1 and server.counts["authorize"] == 0
        assert server.counts["register"] == (1 if code == "invalid_client" else 0)
        server.refusal = None
        await come_back(here, server, page)
        await until_connected(here)


@requirement("AUTH-1:stays-signed-in")
@pytest.mark.parametrize("answer", [(503, {}), (500, {"error": "server_error"}), (403, {"message": "blocked"})])
async def test_an_authorization_server_in_trouble_takes_no_sign_in_away(
    tmp_path: Path, clock: Clock, answer: tuple[int, dict[str, Any]]
) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        clock.ahead += 2 * HOUR
        server.expire()
        server.refusal = answer
        with pytest.raises(Exception, match="does not renew the sign-in"):
            await here.call("there", "whoami")
        assert here.row("there")["authUrl"] is None
        server.refusal = None
        await until_connected(here)
        assert server.counts["authorize"] == 1


@requirement("AUTH-1:stays-signed-in")
async def test_a_token_that_still_holds_is_used_on_while_it_cannot_be_renewed(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        clock.ahead = HOUR - 50
        server.refusal = (503, {})
        assert [await here.call("there", "whoami") for _ in range(5)] == ["ada"] * 5
        assert server.counts["refresh"] == 1, "it is tried again a little later, not with every call"


@requirement("AUTH-1:several-at-once")
async def test_two_servers_are_signed_in_to_at_once_in_either_order(tmp_path: Path) -> None:
    async with OAuthServer(person="ada") as one, OAuthServer(person="eve") as other:
        servers = {"first": remote(one), "second": remote(other)}
        async with desk(tmp_path, servers) as here:
            await here.apply()
            first, second = page_of(here, "first"), page_of(here, "second")
            assert await come_back(here, other, second) == "second"
            assert await come_back(here, one, first) == "first"
            await until_connected(here, "first", "second")
            assert [await here.call(name, "whoami") for name in servers] == ["ada", "eve"]
            shown = {str(seen.get("authorization", "")) for seen in one.seen}
            assert not shown & {str(seen.get("authorization", "")) for seen in other.seen} - {""}


@requirement("AUTH-1:state")
async def test_a_state_that_nobody_gave_out_and_one_that_was_used_are_refused(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        back = await server.answer(page_of(here))
        finish = here.project.sign_ins.finish
        for wrong in ("", "x", back["state"][:-1], back["state"] + "x"):
            with pytest.raises(SignInRefused, match="No sign-in waits"):
                await finish(wrong, back["code"], back["iss"], None)
        assert server.counts["code"] == 0
        assert await finish(back["state"], back["code"], back["iss"], None) == "there"
        with pytest.raises(SignInRefused, match="No sign-in waits"):
            await finish(back["state"], back["code"], back["iss"], None)
        assert server.counts["code"] == 1


@requirement("AUTH-1:issuer")
@pytest.mark.parametrize("iss", ["https://elsewhere.example", None], ids=["another", "none"])
async def test_an_answer_of_another_issuer_is_refused_and_a_new_page_shown(tmp_path: Path, iss: str | None) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        server.iss, page = iss, page_of(here)
        with pytest.raises(SignInRefused, match="iss"):
            await come_back(here, server, page)
        assert server.counts["code"] == 0, "the code goes nowhere"
        await here.until(lambda: here.row("there")["authUrl"] not in (None, page))
        server.iss = "right"
        await sign_in(here, server)


@requirement("AUTH-1:issuer")
async def test_what_one_issuer_gave_is_never_shown_to_another(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server:
        async with signed_in(tmp_path, server) as here:
            server.issuer_path = "/other"
            server.forget()
            server.forms.clear()
            with pytest.raises(SessionError, match="sign in at"):
                await here.call("there", "whoami")
            await sign_in(here, server)
            clients = [query["client_id"] for query in server.authorized]
            assert clients == ["client-1", "client-2"], "the first issuer's client is not shown to the second"
            assert "client-1" not in [
                form["client_id"] for form in server.forms if form["grant_type"] != "refresh_token"
            ]
        async with desk(tmp_path) as here:
            await until_connected(here)
        assert server.counts["authorize"] == 2


@requirement("AUTH-1:issuer")
async def test_the_secret_of_the_file_goes_to_no_other_issuer_than_before(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        server.clients["mine"] = None
        async with signed_in(tmp_path, server, clientId="mine") as here:
            server.issuer_path = "/other"
            server.forget()
            with pytest.raises(SessionError, match="write `issuer` under `oauth`"):
                await here.call("there", "whoami")
            assert server.counts["register"] == 0


@requirement("AUTH-1:issuer")
async def test_only_the_issuer_of_the_file_will_do(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        wanted = "https://login.example"
        async with applied(tmp_path, server, issuer=wanted) as here:
            reason = here.row("there")["reason"]
            assert "not at the `issuer` that the file names" in reason and wanted in reason
            assert here.row("there")["authUrl"] is None and server.counts["register"] == 0
        server.prm = {"authorization_servers": [f"{server.origin}/wrong", server.issuer]}
        async with desk(tmp_path) as here:
            here.write({"there": remote(server, issuer=server.issuer)})
            await here.apply()
            await sign_in(here, server)


@requirement("AUTH-1:proof")
@pytest.mark.parametrize("methods", [["plain"], [], None], ids=["plain", "empty", "unsaid"])
async def test_without_s256_nobody_signs_in(tmp_path: Path, methods: list[str] | None) -> None:
    async with OAuthServer() as server:
        server.metadata = {"code_challenge_methods_supported": methods}
        async with applied(tmp_path, server) as here:
            assert "PKCE with S256" in here.row("there")["reason"] and here.row("there")["authUrl"] is None


@requirement("AUTH-1:proof")
async def test_an_issuer_that_the_file_names_need_not_speak_of_s256_and_gets_it_all_the_same(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        server.metadata = {"code_challenge_methods_supported": None}
        async with applied(tmp_path, server, issuer=server.issuer) as here:
            await sign_in(here, server)
        assert server.authorized[0]["code_challenge_method"] == "S256"


@requirement("AUTH-1:page")
@pytest.mark.parametrize(
    "endpoint", ["http://login.example/authorize", "http://127.0.0.1.example/authorize", "http://10.0.0.1/authorize"]
)
async def test_nobody_is_sent_to_a_page_that_is_not_https(tmp_path: Path, endpoint: str) -> None:
    async with OAuthServer() as server:
        server.metadata = {"authorization_endpoint": endpoint}
        async with applied(tmp_path, server) as here:
            assert "not https" in here.row("there")["reason"] and here.row("there")["authUrl"] is None


@requirement("AUTH-1:page")
@pytest.mark.parametrize("endpoint", ["javascript:alert(1)", "file:///etc/passwd", "$(touch x)", "https://a b/c"])
async def test_metadata_with_a_page_that_is_none_is_not_believed(tmp_path: Path, endpoint: str) -> None:
    async with OAuthServer() as server:
        server.metadata = {"authorization_endpoint": endpoint}
        async with applied(tmp_path, server) as here:
            row = here.row("there")
            assert row["status"] == "error" and (row["authUrl"] is None or row["authUrl"].startswith(server.origin))


@requirement("AUTH-1:client")
async def test_the_file_s_client_scopes_and_resource_are_used(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        server.clients["mine"] = "s3cret-of-mine"
        server.scope = "everything"
        server.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        settings = {"clientId": "mine", "clientSecret": "${env:MINE}", "scopes": ["a", "b"], "resource": "urn:x"}
        async with desk(tmp_path, {"there": remote(server, **settings)}) as here:
            here.project.environment.offer({"MINE": "s3cret-of-mine"})
            await here.apply()
            await sign_in(here, server)
        asked = server.authorized[0]
        assert (asked["client_id"], asked["scope"], asked["resource"]) == ("mine", "a b", "urn:x")
        assert server.forms[0]["resource"] == "urn:x" and server.counts["register"] == 0


@requirement("AUTH-1:client")
async def test_a_resource_can_be_left_out(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server, resource="omit") as here:
        clock.ahead += 2 * HOUR
        server.expire()
        await here.call("there", "whoami")
        assert "resource" not in server.authorized[0]
        assert len(server.forms) == 2 and not any("resource" in form for form in server.forms)


@requirement("AUTH-1:client")
async def test_a_client_secret_of_a_registration_that_expired_is_replaced_by_another_registration(
    tmp_path: Path, clock: Clock
) -> None:
    async with OAuthServer() as server:
        server.client = {"client_secret": "", "client_secret_expires_at": int(clock.time()) + 3600}
        async with signed_in(tmp_path, server) as here:
            assert server.counts["register"] == 1
            server.forget()
            clock.ahead += 2 * HOUR
            server.client = {"client_secret": "", "client_secret_expires_at": 0}
            with pytest.raises(SessionError, match="sign in at"):
                await here.call("there", "whoami")
            await sign_in(here, server)
            assert server.counts["register"] == 2


@requirement("AUTH-1:client")
async def test_a_client_that_was_registered_is_used_again(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        for _ in range(3):
            async with applied(tmp_path, server) as here:
                await until_asked(here)
        assert server.counts["register"] == 1


@requirement("AUTH-1:client")
async def test_a_server_that_registers_nobody_is_said_with_the_way_out(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        server.registers = False
        async with applied(tmp_path, server) as here:
            reason = here.row("there")["reason"]
            assert "registers no client for us" in reason and "`clientId`" in reason
            assert "http://127.0.0.1:7717/oauth/mcp/callback" in reason


@requirement("AUTH-1:scopes")
async def test_only_what_the_challenge_names_is_asked_for(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        server.scope = "tools"
        server.prm = {"scopes_supported": ["tools", "more"]}
        server.metadata = {"scopes_supported": ["tools", "more", "all"]}
        async with applied(tmp_path, server) as here:
            assert query_of(page_of(here))["scope"] == "tools"


@requirement("AUTH-1:scopes")
async def test_what_only_the_authorization_server_knows_of_is_not_asked_for(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        server.metadata = {"scopes_supported": ["tools", "admin"]}
        async with applied(tmp_path, server) as here:
            assert "scope" not in query_of(page_of(here))


@requirement("AUTH-1:scopes")
async def test_a_call_that_needs_more_asks_for_it_once_and_the_session_goes_on(tmp_path: Path) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server, scopes=["tools"]) as here:
        server.needs = {"write": "writing", "administer": "root"}
        with pytest.raises(SessionError, match='allow more \\("writing"\\): sign in at'):
            await here.call("there", "write")
        assert here.row("there")["status"] == "connected" and await here.call("there", "whoami") == "ada"
        assert query_of(page_of(here))["scope"] == "tools writing"
        await come_back(here, server, page_of(here))
        await here.until(lambda: here.row("there")["authUrl"] is None)
        await until_connected(here)
        assert await here.call("there", "write") == "ada"
        server.grants = "tools writing"
        with pytest.raises(SessionError, match="root"):
            await here.call("there", "administer")
        await come_back(here, server, page_of(here))
        await until_connected(here)
        with pytest.raises(SessionError, match="asked for and not given"):
            await here.call("there", "administer")
        assert here.row("there")["authUrl"] is None


@requirement("AUTH-1:way-out")
async def test_a_server_that_wants_a_sign_in_nobody_set_up_says_how(tmp_path: Path) -> None:
    async with OAuthServer() as server, desk(tmp_path, {"there": {"url": server.url}}) as here:
        await here.apply()
        reason = here.row("there")["reason"]
        assert "write `oauth: true`" in reason and server.counts == {"mcp": 1, "refused": 1}


@requirement("AUTH-1:state")
async def test_who_says_no_at_the_page_is_told_so_and_may_try_again(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        page = page_of(here)
        with pytest.raises(SignInRefused, match="access_denied"):
            await here.project.sign_ins.finish(query_of(page)["state"], None, None, "access_denied")
        await here.until(lambda: here.row("there")["authUrl"] not in (None, page))
        await sign_in(here, server)


@requirement("AUTH-1:forget")
async def test_what_is_forgotten_is_used_no_more(tmp_path: Path) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        assert await here.project.sign_ins.forget("there") is True
        assert here.project.vault.internal("@sign-in/") == ()
        await until_asked(here)
        assert await here.project.sign_ins.forget("there") is False


@requirement("AUTH-1:other-places")
async def test_tokens_of_one_address_are_not_shown_at_another_that_the_file_names_later(tmp_path: Path) -> None:
    async with OAuthServer() as one, OAuthServer() as other, applied(tmp_path, one) as here:
        await sign_in(here, one)
        here.write({"there": remote(other)})
        await here.apply()
        await here.until(lambda: other.counts["refused"] > 0)
        assert all("authorization" not in seen for seen in other.seen)


@requirement("AUTH-1:other-places")
async def test_the_query_of_a_url_is_no_part_of_what_is_signed_in_to(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        written = {"url": f"{server.url}?key=not-for-others", "oauth": True}
        async with desk(tmp_path, {"there": written}) as here:
            await here.apply()
            await sign_in(here, server)
        assert "not-for-others" not in json.dumps([server.authorized, server.forms])


@requirement("AUTH-1:page")
async def test_pages_of_an_engine_that_listens_elsewhere_now_are_replaced(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        before = page_of(here)
        here.project.public_url = lambda: "http://127.0.0.1:7999"
        here.project.sign_ins.moved()
        await here.until(lambda: here.row("there")["authUrl"] not in (None, before))
        assert query_of(page_of(here))["redirect_uri"] == "http://127.0.0.1:7999/oauth/mcp/callback"
        await sign_in(here, server)


@requirement("AUTH-1:sign-in")
async def test_a_token_without_an_end_or_a_successor_is_used_until_it_is_refused(tmp_path: Path, clock: Clock) -> None:
    async with OAuthServer() as server:
        server.lifetime, server.gives_refresh = None, False
        async with signed_in(tmp_path, server) as here:
            clock.ahead += 1000 * HOUR
            assert await here.call("there", "whoami") == "ada"
            server.expire()
            with pytest.raises(SessionError, match="sign in at"):
                await here.call("there", "whoami")
            await until_asked(here)


@requirement("AUTH-1:secrets")
async def test_no_token_stands_in_the_state_or_the_status(tmp_path: Path) -> None:
    async with OAuthServer() as server:
        async with signed_in(tmp_path, server) as here:
            shown = json.dumps(here.status())
        tokens = [*server.access, *server.refresh]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(tokens) == 2 and files
        for token in tokens:
            assert token not in shown
            assert not [path for path in files if token.encode() in path.read_bytes()]


async def test_the_rig_shows_a_person_who_signed_in_only_what_they_may(tmp_path: Path) -> None:
    async with OAuthServer() as server, httpx2.AsyncClient() as client:
        assert (await client.post(server.url, json={})).status_code == 401


@requirement("AUTH-1:stays-signed-in")
@pytest.mark.parametrize("what", ["prm", "metadata", "register"])
async def test_while_a_server_is_in_trouble_nothing_is_concluded_and_the_page_comes_later(
    tmp_path: Path, what: str
) -> None:
    async with OAuthServer() as server:
        server.broken = {what: 503}
        async with applied(tmp_path, server) as here:
            assert "HTTP 503" in here.row("there")["reason"] and here.row("there")["authUrl"] is None
            server.broken = {}
            here.project.retry("there")
            await sign_in(here, server)


@requirement("AUTH-1:one-sign-in-asked")
async def test_where_the_token_cannot_be_had_the_person_is_told_and_gets_another_page(tmp_path: Path) -> None:
    async with OAuthServer() as server, applied(tmp_path, server) as here:
        server.broken, page = {"token": 500}, page_of(here)
        with pytest.raises(SignInRefused, match="HTTP 500"):
            await come_back(here, server, page)
        server.broken = {}
        await here.until(lambda: here.row("there")["authUrl"] not in (None, page))
        await sign_in(here, server)


@requirement("AUTH-1:kept-before-use")
async def test_a_token_that_cannot_be_written_down_is_not_used_and_not_lost(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        server.rotates = True
        clock.ahead += 2 * HOUR
        server.expire()
        server.counts.clear()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(account, "keep_record", full)
            with pytest.raises(Exception, match=r"cannot be kept: .*No space left"):
                await here.call("there", "whoami")
            assert server.counts["mcp"] == 0
        here.project.retry("there")
        assert await here.project.settled("there") is None
        assert await here.call("there", "whoami") == "ada"
        assert server.counts["refresh"] == 1 and server.counts["authorize"] == 0


@requirement("AUTH-1:stays-signed-in")
async def test_settings_that_change_while_a_token_is_renewed_take_no_sign_in_away(tmp_path: Path, clock: Clock) -> None:
    """The session of before renews with what it knows; what the other one was given is not thrown away for it."""
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        before = here.project.sign_ins._accounts["there"]
        here.write({"there": remote(server, scopes=["tools"])})
        await here.apply()
        assert here.project.sign_ins._accounts["there"] is not before
        server.rotates = True
        clock.ahead += 2 * HOUR
        server.expire()
        assert await here.call("there", "whoami") == "ada"
        assert await before.prepare() == here.project.sign_ins._accounts["there"].header()
        assert server.counts["authorize"] == 1


@requirement("AUTH-1:scopes")
async def test_a_server_that_does_not_say_which_scope_it_wants_is_told_of_as_it_is(tmp_path: Path) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        server.needs = {"write": ""}
        with pytest.raises(SessionError, match="does not say which"):
            await here.call("there", "write")
        assert here.row("there")["status"] == "connected" and here.row("there")["authUrl"] is None


@requirement("AUTH-1:scopes")
async def test_a_server_that_wants_ever_more_scopes_makes_no_heap_of_pages(tmp_path: Path) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server) as here:
        for number in range(8):
            server.needs = {"write": f"scope{number}"}
            with pytest.raises(SessionError, match="allow more"):
                await here.call("there", "write")
        assert len(here.project.sign_ins._waiting) <= 3
        assert set(query_of(page_of(here))["scope"].split()) == {f"scope{number}" for number in range(8)}


@requirement("AUTH-1:sign-in")
async def test_signing_in_again_asks_for_what_was_allowed_before(tmp_path: Path) -> None:
    async with OAuthServer() as server, signed_in(tmp_path, server, scopes=["tools"]) as here:
        server.needs = {"write": "writing"}
        with pytest.raises(SessionError, match="allow more"):
            await here.call("there", "write")
        await come_back(here, server, page_of(here))
        page = await here.project.sign_ins.begin("there")
        assert query_of(page)["scope"] == "tools writing"
        server.person = "eve"
        await come_back(here, server, page)
        await until_connected(here)
        assert await here.call("there", "whoami") == "eve"


@requirement("AUTH-1:sign-in")
async def test_servers_of_the_older_transport_are_signed_in_to_likewise(tmp_path: Path) -> None:
    async with OAuthServer() as server, desk(tmp_path, {"there": {**remote(server), "type": "sse"}}) as here:
        await here.apply()
        await come_back(here, server, await until_asked(here))
        await here.until(lambda: "HTTP 405" in (here.row("there")["reason"] or ""))
        assert server.seen[-1]["authorization"] == f"Bearer {next(iter(server.access))}"


@requirement("AUTH-1:sign-in")
@pytest.mark.parametrize(
    "token", [{"expires_in": 10**400}, {"expires_in": -5}, {"expires_in": 0}, {"scope": "", "extra": {"a": [1]}}]
)
async def test_odd_tokens_are_used_as_long_as_they_are_accepted(tmp_path: Path, token: dict[str, Any]) -> None:
    async with OAuthServer() as server:
        server.token = token
        async with applied(tmp_path, server) as here:
            if token.get("expires_in") == 10**400:
                with pytest.raises(SignInRefused, match="no sense"):
                    await come_back(here, server, page_of(here))
                return
            await sign_in(here, server)
            assert await here.call("there", "whoami") == "ada"
            assert server.counts["refresh"] == 0


@requirement("AUTH-1:sign-in")
@pytest.mark.parametrize(
    "token", [{"token_type": "DPoP"}, {"access_token": ""}, {"access_token": None}, {"access_token": "a\nb"}]
)
async def test_what_is_no_token_is_not_taken_for_one(tmp_path: Path, token: dict[str, Any]) -> None:
    async with OAuthServer() as server:
        server.token = token
        async with applied(tmp_path, server) as here:
            with pytest.raises(SignInRefused):
                await come_back(here, server, page_of(here))
            assert all("authorization" not in seen for seen in server.seen)


@requirement("AUTH-1:issuer")
@pytest.mark.parametrize("issuer", ["nowhere", "ftp://x", "https://", "http://["])
async def test_an_issuer_that_is_no_url_is_said(tmp_path: Path, issuer: str) -> None:
    async with OAuthServer() as server, applied(tmp_path, server, issuer=issuer) as here:
        assert here.row("there")["reason"] == "The issuer under `oauth` is not a URL" and server.counts == {}


@requirement("AUTH-1:page")
async def test_an_engine_that_begins_to_listen_while_a_sign_in_is_prepared_is_found_by_its_page(tmp_path: Path) -> None:
    async with OAuthServer() as server, desk(tmp_path, {"there": remote(server)}) as here:
        urls = ["http://127.0.0.1:7999", None]
        here.project.public_url = lambda: urls.pop() if len(urls) > 1 else urls[0]
        await here.apply()
        page = await until_asked(here)
        assert query_of(page)["redirect_uri"] == "http://127.0.0.1:7999/oauth/mcp/callback"
        await sign_in(here, server)


@requirement("AUTH-1:issuer")
async def test_the_secret_of_the_file_goes_to_nobody_whom_only_the_server_names(tmp_path: Path) -> None:
    async with OAuthServer() as server, OAuthServer() as other:
        server.prm = {"authorization_servers": [other.issuer]}
        other.clients["mine"] = "s3cret-of-mine"
        other.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        settings = {"clientId": "mine", "clientSecret": "s3cret-of-mine"}
        async with applied(tmp_path, server, **settings) as here:
            reason = here.row("there")["reason"]
            assert "wants the client's secret sent to" in reason and f"`issuer: {other.issuer}`" in reason
            assert here.row("there")["authUrl"] is None
            here.write({"there": remote(server, **settings, issuer=other.issuer)})
            await here.apply()
            back = await other.answer(page_of(here))
            other.access, server.access = server.access, other.access  # it takes what the other one gives out
            await here.project.sign_ins.finish(back["state"], back["code"], back["iss"], None)
        assert [form["client_secret"] for form in other.forms] == ["s3cret-of-mine"] and server.forms == []
