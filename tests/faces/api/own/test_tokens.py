"""Tokens over our own API: made, listed, taken back; none above its maker's role, and no text shown twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.store.tokens import ROLES, read_tokens
from tests.faces.cli.hosted import hosted
from tests.faces.http.raw import line
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("OPS-1:tokens")]

TOKENS = "/api/v1/tokens"


@pytest.mark.parametrize("role", ROLES)
async def test_a_token_that_was_made_lets_its_holder_in_as_what_it_is_for(tmp_path: Path, role: str) -> None:
    async with hosted(tmp_path) as engine:
        made = await engine.ask("POST", TOKENS, "operator", {"role": role, "name": "ci"})
        assert (made.status, made.headers["cache-control"]) == (201, "no-store")
        assert list(made.json) == ["name", "role", "createdAt", "expiresAt", "token"]
        bearer = f"Bearer {made.json['token']}"
        assert (await engine.ask("GET", "/api/v1/hello", authorization=bearer)).status == 200
        may = (await engine.ask("GET", TOKENS, authorization=bearer)).status
        assert may == (200 if role == "operator" else 403)


async def test_a_list_has_every_token_and_the_text_of_none(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        made = (await engine.ask("POST", TOKENS, "operator", {"role": "viewer"})).json
        listed = await engine.ask("GET", TOKENS, "operator")
        assert {"name": made["name"], "role": "viewer", "createdAt": made["createdAt"], "expiresAt": None} in (
            listed.json["tokens"]
        )
        assert {row["name"] for row in listed.json["tokens"]} >= {"client", "operator", "operator-token"}
        assert b"rcl_" not in listed.body
        assert made["token"].encode() not in engine.state.tokens.read_bytes()
        kept = [token.sha256.encode() for token in read_tokens(engine.state)]
        assert not any(digest in listed.body for digest in kept)
        events = await engine.ask("GET", "/api/v1/events", "operator")
        assert f'operator-token made the token "{made["name"]}" (viewer)'.encode() in events.body.replace(b"\\", b"")
        assert b"rcl_" not in events.body


async def test_a_token_that_is_taken_back_lets_nobody_in_and_ends_what_is_open(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        made = (await engine.ask("POST", TOKENS, "operator", {"role": "viewer", "name": "ci"})).json
        bearer = {"authorization": f"Bearer {made['token']}"}
        async with line(engine.address) as one:
            await one.say(engine.request("GET", "/api/v1/events/stream", **bearer))
            assert (await one.hear_head())[0] == 200
            gone = await engine.ask("DELETE", f"{TOKENS}/ci", "operator")
            assert (gone.status, gone.json) == (200, {"revoked": "ci", "role": "viewer"})
            assert (await engine.ask("GET", "/api/v1/hello", **bearer)).status == 401
            await one.hear_chunks()
        again = await engine.ask("DELETE", f"{TOKENS}/ci", "operator")
        assert (again.status, again.json["error"]["code"]) == (404, "unknown-token")


async def test_who_takes_their_own_token_back_is_still_answered(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        engine.token("operator")
        gone = await engine.ask("DELETE", f"{TOKENS}/operator-token", "operator")
        assert (gone.status, gone.json["revoked"]) == (200, "operator-token")
        assert (await engine.ask("GET", TOKENS, "operator")).status == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad-body"),
        ({"role": "owner"}, 400, "bad-body"),
        ({"role": "Viewer"}, 400, "bad-body"),
        ({"role": "viewer", "name": "a b"}, 400, "bad-body"),
        ({"role": "viewer", "name": "a\n"}, 400, "bad-body"),
        ({"role": "viewer", "name": ""}, 400, "bad-body"),
        ({"role": "viewer", "name": "x" * 65}, 400, "bad-body"),
        ({"role": "viewer", "token": "rcl_mine"}, 400, "bad-body"),
        ({"role": "viewer", "name": "owner"}, 422, "bad-name"),
        ({"role": "viewer", "name": "client"}, 409, "taken"),
    ],
)
async def test_a_token_that_cannot_be_is_not_made(tmp_path: Path, body: Any, status: int, code: str) -> None:
    async with hosted(tmp_path) as engine:
        engine.token("operator")
        before = engine.state.tokens.read_bytes()
        answer = await engine.ask("POST", TOKENS, "operator", body)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert engine.state.tokens.read_bytes() == before


async def test_tokens_are_those_of_one_project(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        made = (await engine.ask("POST", TOKENS, "operator", {"role": "operator", "name": "here"})).json
        bearer = {"authorization": f"Bearer {made['token']}"}
        assert (await engine.ask("GET", f"/p/other{TOKENS}", **bearer)).status == 401
        assert (await engine.ask("GET", f"/p/desk{TOKENS}", **bearer)).status == 200


async def test_damaged_tokens_are_said_to_be_so(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        asked = [engine.request(*each, "operator", body) for *each, body in CHANGES]
        engine.state.tokens.write_text("{", encoding="utf-8")
        for request in asked:
            async with line(engine.address) as one:
                await one.say(request)
                answer = await one.hear()
                assert (answer.status, answer.json["error"]["code"]) in ((503, "tokens-damaged"), (401, "unauthorized"))


CHANGES: list[tuple[str, str, Any]] = [
    ("GET", TOKENS, None),
    ("POST", TOKENS, {"role": "viewer"}),
    ("DELETE", f"{TOKENS}/client", None),
]
