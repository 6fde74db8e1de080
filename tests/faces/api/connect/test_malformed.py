"""Whatever a path or a body says: 4xx in the dialect's shape, at once, and the file stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faces.api.connect.space import DOTTED, Space, space
from tests.faces.http.raw import Answer
from tests.requirements import requirement

pytestmark = [requirement("API-2:malformed"), pytest.mark.anyio]

URL = "https://mcp.invalid/mcp"
NEW: dict[str, Any] = {"mcpUrl": URL, "mock": {"enabled": True}}
LONG = "x" * 10_000

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "trailing": b'{"mcpUrl": "https://mcp.invalid/"} x',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"7",
    "not UTF-8": b'{"name": "\xff"}',
    "half a pair": b'{"mcpUrl": "https://mcp.invalid/", "name": "\\ud800"}',
    "NaN": b'{"mcpUrl": "https://mcp.invalid/", "metadata": {"a": NaN}}',
    "huge number": b'{"mcpUrl": "https://mcp.invalid/", "metadata": {"a": 1e999}}',
    "digits": b'{"mcpUrl": "https://mcp.invalid/", "metadata": {"a": ' + b"9" * 5000 + b"}}",
    "deep": b'{"mcpUrl": "https://mcp.invalid/", "metadata": {"a": ' + b"[" * 3000 + b"]" * 3000 + b"}}",
    "twice": b'{"mcpUrl": "https://mcp.invalid/a", "mcpUrl": "https://mcp.invalid/b"}',
}

NAMES: list[Any] = [None, 7, "", "x" * 256, [], {}, "a\x00b", "a\nb", "\u202eabc"]
ADDRESSES: list[Any] = [None, 7, "", "x", "ftp://x/", "https://", "https://a b/", "https://x:0/", [URL], "https://[::1"]
METADATA: list[Any] = [None, 7, "x", [], {"a": None}, {"a": {"b": [1, None]}}]
HEADERS: list[Any] = [
    *(None, 7, [], {"A": None}, {"A": 7}, {"A": ["x"]}, {"": "x"}, {"a b": "x"}, {"A": "x\r\nB: y"}, {"A": "\x00"}),
    *({"Host": "x"}, {"A": "1", "a": "2"}, {"A": LONG * 2}, {f"A{number}": "x" for number in range(101)}),
]
TRANSPORTS: list[Any] = [None, "stdio", "sse", "", 7, []]
MOCKS: list[Any] = [None, True, [], {}, {"enabled": None}, {"enabled": "yes"}, {"enabled": True, "scenario": None}]
FIELDS: list[dict[str, Any]] = [
    *({"name": value} for value in NAMES),
    *({"mcpUrl": value} for value in (*ADDRESSES, "javascript:alert(1)", f"https://x/{LONG}")),
    *({"metadata": value} for value in METADATA),
    *({"headers": value} for value in HEADERS),
    *({"transport": value} for value in TRANSPORTS),
    *({"mock": value} for value in MOCKS),
    {"transport": "uplink"},
    {"transport": "uplink", "headers": {"A": "x"}},
    {"server": "exa"},
    {"server": None},
    {"source": {"kind": "module", "entrypoint": "x", "sourceFiles": []}},
    {"unstableCallbackUrl": "https://x/"},
]
"""Each is laid over a body that is right."""

IDS = ("a__b", "-a", "a-", ".", "..", "reconciler", "Reconciler", "a%20b", "%C3%A9", "a%00b", "a:b", "~", LONG[:3000])
PATHS = (
    "/%2e%2e",
    "/%2e%2e/%2e%2e",
    "/a%2fb",
    "/..%2f..%2fetc%2fpasswd",
    "/one/two",
    "/one/",
    "//",
    "/one/.tools/",
    "/%ff",
)


def check(answer: Answer, *statuses: int) -> None:
    body = answer.json
    assert set(body) == {"error", "message"} and all(isinstance(text, str) and text for text in body.values()), body
    assert answer.status in (statuses or range(400, 500)), (answer.status, body)
    assert len(answer.body) < 5000
    assert answer.headers["content-type"] == "application/json"


async def refused(desk: Space, method: str, path: str, body: Any = None, *statuses: int, **headers: str) -> None:
    before = desk.text
    check(await desk.ask(method, path, body, **headers), *statuses)
    assert desk.text == before


async def test_a_body_that_is_no_json_object_is_refused(tmp_path: Path) -> None:
    async with space(tmp_path, {"dotted": DOTTED}) as desk:
        for body in BODIES.values():
            await refused(desk, "PUT", "/one", body)
            await refused(desk, "PUT", "/dotted", body)
            await refused(desk, "POST", "", body)
            if body:
                await refused(desk, "POST", "/dotted/.tools/repo/search", body)
        await refused(desk, "PUT", "/one", json.dumps(NEW).encode(), 415, content_type="text/plain")
        await refused(desk, "PUT", "/one", b'{"name": "' + b"x" * (5 << 20) + b'"}', 413)


async def test_a_namespace_is_set_without_a_body_or_with_one_that_holds(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        for body in (*filter(None, BODIES.values()), {"organizationId": "org"}):
            for method, path in (("PUT", "/namespaces/desk"), ("PUT", "/namespaces/fresh"), ("POST", "/namespaces")):
                check(await desk.engine.ask(method, path, "operator", body), 400)
        assert list(desk.engine.host.projects) == ["desk"]
        for nothing in (None, {}):
            assert (await desk.engine.ask("PUT", "/namespaces/desk", "operator", nothing)).status == 200


async def test_a_member_of_a_wrong_type_is_refused(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        for fields in FIELDS:
            await refused(desk, "PUT", "/one", {**NEW, **fields}, 400)
            await refused(desk, "POST", "", {**NEW, **fields}, 400)
        assert (await desk.ask("PUT", "/one", NEW)).status == 200
        for fields in FIELDS:
            await refused(desk, "PUT", "/one", fields)


async def test_an_id_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        for wrong in IDS:
            await refused(desk, "PUT", f"/{wrong}", NEW)
            await refused(desk, "GET", f"/{wrong}", None, 404)
            await refused(desk, "DELETE", f"/{wrong}", None, 404)
        await desk.ask("PUT", "/One", NEW)
        await refused(desk, "PUT", "/one", NEW, 400)


async def test_a_path_that_leads_nowhere_is_said_so(tmp_path: Path) -> None:
    async with space(tmp_path, {"one": DOTTED}) as desk:
        for path in PATHS:
            for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"):
                answer = await desk.ask(method, path, NEW)
                if (path, method) != ("/one/.tools/", "GET"):
                    check(answer, 404, 405, *([400] if method == "PUT" else []))
        for path in (
            "/elsewhere/one",
            "/%2e%2e/one",
            "/DESK/one",
            "/desk%2fone/x",
            "/connect",
            "/connect/",
            "/servers",
            "/skills",
        ):
            check(await desk.engine.ask("GET", path, "operator"), 404)
            check(await desk.engine.ask("PUT", path, "operator", NEW), 404)


async def test_names_and_texts_of_every_script_are_kept_whole(tmp_path: Path) -> None:
    name = "日本 – Ünïcode 🦊"
    metadata = {"ключ": "значение", "emoji 🦊": ["🦊🦊", "\u2028"], "": "empty key"}
    async with space(tmp_path) as desk:
        made = await desk.ask("PUT", "/one", {**NEW, "name": name, "metadata": metadata})
        assert (made.status, made.json.get("name"), made.json.get("metadata")) == (200, name, metadata)
        found = await desk.ask(
            "GET", "?metadata.%D0%BA%D0%BB%D1%8E%D1%87=%D0%B7%D0%BD%D0%B0%D1%87%D0%B5%D0%BD%D0%B8%D0%B5"
        )
        assert [each["connectionId"] for each in found.json["connections"]] == ["one"]
        again = await desk.ask("PUT", "/one", {"metadata": metadata})
        assert (again.status, "x-reconciler-plan" in again.headers) == (200, False)


async def test_members_that_nobody_knows_mean_nothing(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        assert (await desk.ask("PUT", "/one", {**NEW, "future": {"a": None}})).status == 200
        assert "future" not in desk.servers["one"]
