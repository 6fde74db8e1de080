"""Requests are held to the description of their route: what cannot be is refused, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import hosted
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("OPS-1:strict")]

QUERIES = [
    ("/events?after=x", "?after"),
    ("/events?after=", "?after"),
    ("/events?limit=-1", "?limit"),
    ("/events?limit=1.0", "?limit"),
    ("/events?limit=1e3", "?limit"),
    ("/events?limit=NaN", "?limit"),
    ("/events?limit=%2B1", "?limit"),
    ("/events?limit=1_0", "?limit"),
    ("/events?limit=%D9%A3", "?limit"),
    ("/events?limit=9999999999999999", "?limit"),
    ("/events?limit=1&limit=2", "?limit"),
    ("/events?limits=1", "?limits"),
    ("/events?" + "x" * 300 + "=1", "?" + "x" * 100 + "..."),
    ("/events/stream?after=x", "?after"),
    ("/servers/one/logs?lines=x", "?lines"),
    ("/rollback?serial=one", "?serial"),
    ("/lock?changes=1", "?changes"),
    ("/lock?changes=True", "?changes"),
    ("/lock?wait=1.5", "?wait"),
    ("/approvals?all=yes", "?all"),
    ("/audit?since=yesterday", "?since"),
    ("/audit?since=2026-02-30T00:00:00Z", "?since"),
    ("/tools?server=a&server=b", "?server"),
    ("/status?x=1", "?x"),
]


@pytest.mark.parametrize(("path", "place"), QUERIES)
async def test_a_query_that_cannot_be_is_400_with_the_name(tmp_path: Path, path: str, place: str) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("GET", f"/api/v1{path}", "viewer")
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad-query")
        assert [each["place"] for each in answer.json["places"]] == [place]


BODIES: list[tuple[str, Any, list[str]]] = [
    ("/apply", {"wait": "1"}, ["/wait"]),
    ("/apply", {"wait": None}, ["/wait"]),
    ("/apply", {"wait": True}, ["/wait"]),
    ("/apply", {"wait": -1}, ["/wait"]),
    ("/apply", {"wait": 1e9}, ["/wait"]),
    ("/apply", b'{"wait": ' + b"9" * 400 + b"}", ["/wait"]),
    ("/apply", {"yes": 7, "allow": [1], "onFailure": "explode"}, ["/yes", "/allow/0", "/onFailure"]),
    ("/apply", {"yes": ["a", 2]}, ["/yes", "/yes/1"]),
    ("/apply", {"saved": []}, ["/saved"]),
    ("/apply", {"environment": {"A": 1}}, ["/environment/A"]),
    ("/apply", {"a/b~c": 1}, ["/a~1b~0c"]),
    ("/follow", {"on": 1}, ["/on"]),
    ("/rollback", {}, ["/serial"]),
    ("/rollback", {"serial": 1.5}, ["/serial"]),
    ("/rollback", {"serial": "1"}, ["/serial"]),
    ("/rollback", {"serial": True}, ["/serial"]),
    ("/approve", {"servers": "one"}, ["/plan", "/servers"]),
    ("/call", {"server": "one", "tool": "echo", "arguments": [1]}, ["/arguments"]),
    ("/call", {"server": None, "tool": ["echo"]}, ["/server", "/tool"]),
    ("/servers/one/restart", {"x": 1}, ["/x"]),
    ("/servers/one/pause", {"for": "8"}, ["/for"]),
    ("/servers/one/pause", {"for": 8, "length": "8h"}, ["/for", "/length"]),
    ("/servers/one/resume", {"for": "8h"}, ["/for"]),
    ("/lock", {"expected": {"a": None}}, ["/expected/a"]),
    ("/tokens", {"role": "root"}, ["/role"]),
]


@pytest.mark.parametrize(("path", "body", "places"), BODIES)
async def test_a_body_that_cannot_be_is_400_with_every_place(
    tmp_path: Path, path: str, body: Any, places: list[str]
) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        answer = await engine.ask("POST", f"/api/v1{path}", "operator", body)
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad-body")
        assert list(dict.fromkeys(each["place"] for each in answer.json["places"])) == places
        assert places[0] in answer.json["error"]["message"]
        assert all(each["message"] for each in answer.json["places"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"wait": NaN}',
        b'{"wait": 1e999}',
        b'{"wait": 1, "wait": 2}',
        b'{"yes": ["\\ud800"]}',
        b'{"\xff": 1}',
        b'{"yes": ' + b"[" * 100_000,
        b'{"wait": ' + b"9" * 5000 + b"}",
    ],
    ids=range(11),
)
async def test_what_is_no_json_object_is_400(tmp_path: Path, body: bytes) -> None:
    async with hosted(tmp_path) as engine:
        path = "/api/v1/rollback" if not body else "/api/v1/apply"
        answer = await engine.ask("POST", path, "operator", body)
        assert answer.status == 400
        assert answer.json["error"]["code"] == ("bad-json" if body else "bad-body")


async def test_many_mistakes_are_told_up_to_a_number(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("POST", "/api/v1/apply", "operator", {f"m{number}": 1 for number in range(1000)})
        assert len(answer.json["places"]) == 20
        answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": [1] * 500_000})
        assert answer.status == 400
        assert [each["place"] for each in answer.json["places"]] == ["/"]


async def test_whole_numbers_may_be_written_as_json_has_them(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        for body in (b'{"serial": 7.0}', b'{"serial": 7e0}', b'{"serial": 7}'):
            answer = await engine.ask("POST", "/api/v1/rollback", "operator", body)
            assert b'"unknown-serial"' in answer.body


@requirement("API-4:secrets-never-render")
async def test_a_value_that_cannot_be_is_not_shown_back(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        for path, body in (
            ("/secrets/x", {"value": [CANARY]}),
            ("/secrets/x", {"value": CANARY * 10_000}),
            ("/secrets/x", {"value": {"deep": CANARY}}),
        ):
            answer = await engine.ask("PUT", f"/api/v1{path}", "operator", body)
            assert answer.status == 400
            assert CANARY.encode() not in answer.body


async def test_who_may_not_ask_is_told_so_before_what_they_ask_is_read(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        for body in ({"wait": "x"}, b"{", {}):
            answer = await engine.ask("POST", "/api/v1/apply?x=1", "viewer", body)
            assert (answer.status, answer.json["error"]["code"]) == (403, "not-allowed")


async def test_another_method_is_405_with_all_that_there_are(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        for path, allowed in (
            ("/api/v1/lock", "GET, HEAD, POST"),
            ("/p/desk/api/v1/servers/one/auth", "DELETE, GET, HEAD, POST"),
            ("/api/v1/stop", "POST"),
            ("/metrics", "GET, HEAD"),
        ):
            answer = await engine.ask("PUT", path, "operator", {})
            assert (answer.status, answer.headers["allow"]) == (405, allowed)
            assert answer.json["error"]["code"] == "not-this-method"


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1", "/api/v1/", "/p/desk/api/v1/x/y", "/api/v1/approvals/%0A"]
)
async def test_what_is_not_there_is_404_in_the_one_shape(tmp_path: Path, path: str) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("GET", path, "viewer")
        assert answer.status == 404
        assert set(answer.json["error"]) == {"code", "message"}
