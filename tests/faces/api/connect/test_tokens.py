"""Tokens made over the dialect: for namespaces, a role and a time, and for nothing narrower."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.desk import light
from tests.faces.api.connect.space import Space, space
from tests.faces.http.raw import Answer
from tests.requirements import requirement

pytestmark = [requirement("API-2:tokens"), pytest.mark.anyio]

ROLES = {"viewer": 200, "client": 200, "editor": 200, "operator": 200}


async def make(desk: Space, *policy: Any, role: Any = "operator", **body: Any) -> Answer:
    return await desk.engine.ask("POST", "/tokens", role, {"policy": list(policy), **body} if policy else body)


async def may(desk: Space, token: str, namespace: str = "desk") -> list[bool]:
    """Whether it may read, call and write, and do what operators do."""
    tried: list[tuple[str, str, Any]] = [
        ("GET", f"/connect/{namespace}", None),
        ("POST", f"/connect/{namespace}/ev/.tools/echo", {"text": "hi"}),
        ("PUT", f"/connect/{namespace}/ev", {"name": "Ev"}),
        ("PUT", f"/namespaces/{namespace}", None),
    ]
    return [
        (await desk.engine.ask(method, path, None, body, authorization=f"Bearer {token}")).status < 300
        for method, path, body in tried
    ]


def seconds(answer: Answer) -> float:
    """How long the token holds from now on."""
    end = datetime.fromisoformat(answer.json["expiresAt"])
    return (end - datetime.now(UTC)).total_seconds()


async def test_a_token_without_a_policy_may_what_its_maker_may_for_an_hour(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        for path in ("/tokens", "/connect/tokens"):
            made = await desk.engine.ask("POST", path, "operator", {})
            assert (made.status, set(made.json)) == (200, {"token", "expiresAt"})
            assert made.json["token"].startswith("rcl_") and 3500 < seconds(made) <= 3600
            assert await may(desk, made.json["token"]) == [True, True, True, True]


@pytest.mark.parametrize(
    ("operations", "rights"),
    [
        ("read", [True, False, False, False]),
        ("execute", [True, True, False, False]),
        (["read", "execute"], [True, True, False, False]),
        (["write", "execute"], [True, True, True, False]),
        (["read", "write", "execute"], [True, True, True, False]),
    ],
)
async def test_operations_are_a_role(tmp_path: Path, operations: Any, rights: list[bool]) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        made = await make(desk, {"operations": operations, "namespaces": "desk"})
        assert await may(desk, made.json["token"]) == rights


async def test_each_constraint_narrows_further(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        made = await make(
            desk, {"operations": ["write", "execute"]}, {"operations": "read"}, {"ttl": 600}, {"ttl": "1h"}
        )
        assert await may(desk, made.json["token"]) == [True, False, False, False]
        assert 500 < seconds(made) <= 600


@pytest.mark.parametrize(
    ("ttl", "most"), [("20s", 20), ("30m", 1800), ("1h", 3600), (90, 90), (1.5, 2), ("24h", 86400)]
)
async def test_a_token_holds_for_the_time_that_was_named(tmp_path: Path, ttl: Any, most: float) -> None:
    async with space(tmp_path) as desk:
        assert most * 0.8 - 2 < seconds(await make(desk, {"ttl": ttl})) <= most


async def test_a_token_is_for_the_namespaces_that_were_named_and_for_no_other(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        for name in ("one", "two"):
            await desk.engine.ask("PUT", f"/namespaces/{name}", "operator")
        both = (await make(desk, {"namespaces": ["one", "two"], "operations": "read"})).json["token"]
        assert [(await may(desk, both, name))[0] for name in ("desk", "one", "two")] == [False, True, True]
        narrowed = (await make(desk, {"namespaces": ["one", "two"]}, {"namespaces": "two"})).json["token"]
        assert [(await may(desk, narrowed, name))[0] for name in ("desk", "one", "two")] == [False, False, True]
        every = (await make(desk, {"operations": "read"})).json["token"]
        assert [(await may(desk, every, name))[0] for name in ("desk", "one", "two")] == [True, True, True]
        foreign = await make(desk, {"namespaces": ["one", "elsewhere"]})
        assert (foreign.status, foreign.json["error"]) == (403, "not-allowed")
        assert (await make(desk, {"namespaces": "one"}, {"namespaces": "two"})).status == 400


@pytest.mark.parametrize(
    "constraint",
    [
        {"metadata": {"userId": "ada"}},
        {"resources": "connections"},
        {"rpcReqMatch": {"params.name": "x"}},
        {"unknown": 1},
        {"operations": "write"},
        {"operations": "admin"},
        {"operations": []},
        {"operations": None},
        {"operations": [["read"]]},
        {"namespaces": []},
        {"namespaces": None},
        {"namespaces": [7]},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": 86401},
        {"ttl": "25h"},
        {"ttl": "1d"},
        {"ttl": "h"},
        {"ttl": ""},
        {"ttl": None},
        {"ttl": True},
        {"ttl": "9" * 400 + "s"},
        "read",
        None,
    ],
)
async def test_what_cannot_be_kept_to_is_refused_and_never_left_out(tmp_path: Path, constraint: Any) -> None:
    async with space(tmp_path) as desk:
        before = desk.engine.state.tokens.read_bytes()
        refused = await make(desk, {"operations": "read"}, constraint)
        assert (refused.status, set(refused.json)) == (400, {"error", "message"})
        tokens = desk.engine.state.tokens.read_text(encoding="utf-8")
        assert "service-" not in tokens and before


@pytest.mark.parametrize(
    "body", [{"organizationId": "o"}, {"policy": None}, {"policy": {}}, {"policy": [{}] * 33}, [], 7]
)
async def test_a_body_of_another_kind_is_refused(tmp_path: Path, body: Any) -> None:
    async with space(tmp_path) as desk:
        refused = await desk.engine.ask("POST", "/tokens", "operator", body)
        assert (refused.status, set(refused.json)) == (400, {"error", "message"})


@requirement("GATE-1:roles")
@pytest.mark.parametrize("role", ["viewer", "client", "editor"])
async def test_only_operators_make_tokens(tmp_path: Path, role: Any) -> None:
    async with space(tmp_path) as desk:
        assert (await make(desk, role=role)).status == 403
        assert (await desk.engine.ask("POST", "/tokens", None, {})).status == 401


async def test_a_token_that_was_made_makes_no_other_that_may_more(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        editor = (await make(desk, {"operations": ["write", "execute"]})).json["token"]
        refused = await desk.engine.ask("POST", "/tokens", None, {}, authorization=f"Bearer {editor}")
        assert refused.status == 403


async def test_no_token_outlives_the_one_that_it_was_made_with(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        short = (await make(desk, {"ttl": "5m"})).json["token"]
        body = {"policy": [{"ttl": "24h"}]}
        made = await desk.engine.ask("POST", "/tokens", None, body, authorization=f"Bearer {short}")
        assert made.status == 200 and seconds(made) <= 300
