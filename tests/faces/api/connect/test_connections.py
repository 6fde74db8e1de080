"""Connections over real listeners: the seed's example, both layouts, what is kept, what is refused, what waits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from reconciler.engine.door import change
from reconciler.gate.gate import Principal
from tests.canary import CANARY, encodings_in
from tests.engine.desk import light
from tests.faces.api.connect.space import Space, space
from tests.requirements import requirement
from tests.rig import evil_http, sdk_http
from tests.rig.oauth_server import OAuthServer

pytestmark = pytest.mark.anyio

SEED: dict[str, Any] = {
    "transport": "http",
    "mcpUrl": "https://mcp.example.com/sse",
    "name": "My MCP Server",
    "metadata": {"userId": "user123", "team": "engineering"},
    "headers": {"X-API-Key": "secret-key"},
    "mock": {"enabled": True},
}
"""The body of the seed's example."""
NOWHERE = "https://mcp.invalid/mcp"


@requirement("API-2:connections", "CFG-3:mock")
@pytest.mark.parametrize("path", ["/connect/desk/clever", "/desk/clever"])
async def test_the_example_of_the_seed_gives_the_shape_of_the_seed(tmp_path: Path, path: str) -> None:
    async with space(tmp_path) as desk:
        made = await desk.engine.ask("PUT", path, "operator", SEED)
        body = made.json
        assert made.status == 200 and re.fullmatch(r"pln-[0-9a-f]+", made.headers["x-reconciler-plan"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("createdAt"))
        assert body == {
            "connectionId": "clever",
            "name": "My MCP Server",
            "mcpUrl": "https://mcp.example.com/sse",
            "metadata": {"userId": "user123", "team": "engineering"},
            "transport": "http",
            "mock": {"enabled": True},
            "iconUrl": None,
            "status": {"state": "connected"},
            "serverInfo": {"name": "My MCP Server", "version": "mock"},
        }
        again = await desk.engine.ask("PUT", path, "operator", SEED)
        assert (again.status, {**again.json, "createdAt": ""}) == (200, {**body, "createdAt": ""})
        assert desk.servers["clever"] == {
            "url": "https://mcp.example.com/sse",
            "name": "My MCP Server",
            "metadata": {"userId": "user123", "team": "engineering"},
            "headers": {"X-API-Key": "${secret:clever.headers.X-API-Key}"},
            "mock": {"enabled": True},
        }


@requirement("API-2:connections")
async def test_a_connection_is_created_under_an_id_of_ours_and_goes_with_its_session(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, space(tmp_path) as desk:
        created = await desk.ask("POST", "", {"mcpUrl": url})
        made, server = created.json, created.json["connectionId"]
        assert created.status == 201
        assert made == (await desk.ask("GET", f"/{server}")).json
        assert re.fullmatch(r"[a-z]+-[a-z]+-[A-Za-z0-9]{4}", server)
        project = desk.engine.host.projects["desk"]
        assert project.serving(server) is not None
        gone = await desk.ask("DELETE", f"/{server}")
        assert (gone.status, gone.json, "x-reconciler-plan" in gone.headers) == (200, {"success": True}, True)
        assert (desk.servers, project.ledger.document.servers) == ({}, {})
        assert (await desk.ask("GET", f"/{server}")).status == 404
        assert (await desk.ask("DELETE", f"/{server}")).json["error"] == "not-found"


@requirement("API-2:connections")
async def test_a_set_changes_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        await desk.ask("PUT", "/one", SEED)
        changed = await desk.ask("PUT", "/one", {"name": "Other", "metadata": {"team": "sales", "floor": 3}})
        assert (changed.json["name"], changed.json["metadata"]) == ("Other", {"team": "sales", "floor": 3})
        assert changed.json["mcpUrl"] == SEED["mcpUrl"]
        assert (await desk.ask("PUT", "/one", {"mock": {"enabled": False}})).json["mock"] == {"enabled": True}
        nothing = await desk.ask("PUT", "/one", {})
        assert (nothing.status, "x-reconciler-plan" in nothing.headers) == (200, False)
        assert (await desk.ask("PUT", "/one", {"metadata": {}})).json["metadata"] == {}
        assert "metadata" not in desk.servers["one"]


@requirement("API-2:connections")
async def test_comments_of_the_file_and_other_servers_stay_as_they_are(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        project = desk.engine.host.projects["desk"]
        desk.file.write_text(f"# mine\n{desk.text}\n", encoding="utf-8")
        session = project.serving("ev")
        await desk.ask("PUT", "/one", SEED)
        await desk.ask("DELETE", "/one")
        assert desk.text.startswith("# mine\n") and project.serving("ev") is session


@requirement("API-2:write-only")
async def test_headers_are_added_kept_apart_and_never_answered(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        answers = [await desk.ask("PUT", "/one", SEED)]
        answers += [
            await desk.ask("PUT", "/one", {"headers": {"x-api-key": "new-$-${env:HOME}", "X-More": "more-value"}})
        ]
        answers += [await desk.ask("GET", "/one"), await desk.ask("GET", "")]
        vault = desk.engine.host.projects["desk"].vault
        assert desk.servers["one"]["headers"] == {
            "X-API-Key": "${secret:one.headers.X-API-Key}",
            "X-More": "${secret:one.headers.X-More}",
        }
        assert vault.get("one.headers.X-API-Key") == "new-$-${env:HOME}"
        for answer in answers:
            assert answer.status < 300
            assert not [
                word for word in (b"secret-key", b"new-", b"more-value", b"header") if word in answer.body.lower()
            ]


@requirement("API-2:write-only")
async def test_what_stands_in_a_query_is_put_away_and_still_the_same_address(tmp_path: Path) -> None:
    address = f"{NOWHERE}?api_key=very-secret-1&mode=fast"
    async with space(tmp_path) as desk:
        made = await desk.ask("PUT", "/one", {"mcpUrl": address, "mock": {"enabled": True}})
        assert made.json["mcpUrl"] == f"{NOWHERE}?api_key=${{secret:one.url.api_key}}&mode=fast"
        assert desk.servers["one"]["url"] == made.json["mcpUrl"]
        assert desk.engine.host.projects["desk"].vault.get("one.url.api_key") == "very-secret-1"
        for same in (address, made.json["mcpUrl"]):
            assert (await desk.ask("PUT", "/one", {"mcpUrl": same})).status == 200
        assert (await desk.ask("PUT", "/one", {"mcpUrl": address.replace("-1", "-2")})).status == 409
        found = await desk.ask("GET", f"?mcpUrl={NOWHERE}%3Fapi_key%3Dvery-secret-1%26mode%3Dfast")
        assert [each["connectionId"] for each in found.json["connections"]] == ["one"]


@requirement("API-2:write-only", "API-4:secrets-never-render")
async def test_a_secret_that_came_by_any_way_is_in_no_answer_and_not_in_the_file(tmp_path: Path) -> None:
    quoted = quote(CANARY, safe="")
    body = {"mcpUrl": f"{NOWHERE}?api_key={quoted}", "headers": {"X-Key": CANARY}, "mock": {"enabled": True}}
    async with space(tmp_path) as desk:
        answers = [await desk.ask("PUT", "/one", body), await desk.ask("PUT", "/one", body)]
        answers += [await desk.ask("POST", "", {**body, "headers": {"bad name": CANARY}})]
        answers += [await desk.ask("PUT", "/one", {"mcpUrl": f"https://elsewhere.invalid/?api_key={quoted}"})]
        for path in ("", "/one", "/one/.tools", "/one/.tools/x"):
            answers.append(await desk.ask("GET", path))
        answers += [await desk.engine.ask("GET", "/api/v1/status", "operator")]
        assert [answer.status for answer in answers] == [200, 200, 400, 409, 200, 200, 200, 404, 200]
        assert encodings_in(b"".join(answer.body for answer in answers) + desk.text.encode()) == []


@requirement("API-2:write-only")
async def test_a_refused_write_leaves_nothing_in_the_vault(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        vault = desk.engine.host.projects["desk"].vault
        body = {"mcpUrl": f"{NOWHERE}?api_key=very-secret-1", "headers": {"bad header": "very-secret-2"}}
        assert (await desk.ask("PUT", "/one", body)).status == 400
        assert (vault.list(), desk.servers) == ((), {})


@requirement("API-2:write-only")
async def test_metadata_keeps_its_ids_and_hides_known_secrets(tmp_path: Path) -> None:
    metadata = {"user": "550e8400-e29b-41d4-a716-446655440000", "token": "ghp_abcdefghijklmnop1234", "tags": ["a"]}
    async with space(tmp_path) as desk:
        made = await desk.ask("PUT", "/one", {**SEED, "metadata": metadata})
        assert made.json["metadata"] == {**metadata, "token": "***"}
        assert (await desk.ask("PUT", "/one", {"metadata": made.json["metadata"]})).status == 200
        assert desk.servers["one"]["metadata"] == metadata


@requirement("API-2:other-target")
@pytest.mark.parametrize(
    "body",
    [
        {"mcpUrl": "https://mcp.example.com/other"},
        {"mcpUrl": "https://mcp.example.com/sse?x=1"},
        {"transport": "uplink"},
    ],
)
async def test_another_target_is_a_conflict_that_nobody_repeats(tmp_path: Path, body: dict[str, Any]) -> None:
    async with space(tmp_path) as desk:
        await desk.ask("PUT", "/one", SEED)
        before = desk.text
        found = await desk.ask("PUT", "/one", {**body, "name": "New"})
        assert (found.status, found.json["error"], found.headers["x-should-retry"]) == (409, "conflict", "false")
        assert (desk.text, (await desk.ask("GET", "/one")).json["name"]) == (before, "My MCP Server")


@requirement("API-2:other-target")
async def test_a_file_that_cannot_be_changed_now_is_no_conflict(tmp_path: Path) -> None:
    """The official command line answers a conflict by deleting the connection."""
    async with space(tmp_path) as desk:
        await desk.ask("PUT", "/one", SEED)
        project = desk.engine.host.projects["desk"]
        project.followed.held = "it shrank"
        locked = await desk.ask("PUT", "/one", {"name": "New"})
        assert (locked.status, locked.json["error"], "it shrank" in locked.json["message"]) == (423, "held", True)
        project.followed.held = None
        desk.file.write_text("{", encoding="utf-8")
        broken = await desk.ask("PUT", "/one", {"name": "New"})
        assert (broken.status, desk.text) == (423, "{")


@requirement("API-2:connections")
async def test_servers_of_every_transport_are_shown(tmp_path: Path) -> None:
    icon = {"iconUrl": "https://example.com/i.png"}
    servers = {"run": {**light("run"), **icon}, "in": {"type": "uplink"}, "pretend": {"mock": {"scenario": "s"}}}
    async with space(tmp_path, servers) as desk:
        found = (await desk.ask("GET", "")).json["connections"]
        shown = {each["connectionId"]: (each["transport"], each["mcpUrl"], each["status"]["state"]) for each in found}
        base = f"{desk.engine.host.facts.url}/connect/desk"
        assert shown == {
            "in": ("uplink", None, "disconnected"),
            "pretend": ("http", f"{base}/pretend/mcp", "connected"),
            "run": ("http", f"{base}/run/mcp", "connected"),
        }
        assert (found[1]["mock"], found[2]["iconUrl"]) == ({"enabled": True, "scenario": "s"}, icon["iconUrl"])
        assert (await desk.ask("PUT", "/run", {"mcpUrl": f"{base}/run/mcp"})).status == 200
        assert (await desk.ask("PUT", "/run", {"mcpUrl": NOWHERE})).status == 409
        dials_in = await desk.ask("PUT", "/dials", {"transport": "uplink", "name": "Laptop"})
        assert (dials_in.status, dials_in.json["mcpUrl"], dials_in.json["transport"]) == (200, None, "uplink")
        assert desk.servers["dials"] == {"type": "uplink", "name": "Laptop"}


@requirement("API-2:connections")
async def test_what_a_server_says_of_itself_is_shown_as_far_as_the_dialect_has_a_place_for_it(tmp_path: Path) -> None:
    icon = {"src": "https://e.com/a.png", "sizes": ["1x1"], "theme": "light", "mimeType": "image/png"}
    said = {"name": "far", "version": "3", "title": "Far", "icons": [{**icon, "x": 1}], "vendor": {"deep": True}}

    async def initialize(request: evil_http.Request, connection: evil_http.Connection) -> None:
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": said}
        await connection.result(request, result)

    async with evil_http.EvilHttp(evil_http.mcp(initialize=initialize)) as server, space(tmp_path) as desk:
        made = (await desk.ask("PUT", "/far", {"mcpUrl": server.url})).json
        assert made["serverInfo"] == {"name": "far", "version": "3", "title": "Far", "icons": [icon]}
        assert made["iconUrl"] == icon["src"]


@requirement("API-2:lists")
async def test_a_list_is_read_in_pages_that_stay_good_while_connections_go(tmp_path: Path) -> None:
    servers = {f"s{number:03}": {"mock": {}, "name": "Many"} for number in range(102)}
    async with space(tmp_path, servers) as desk:
        first = (await desk.ask("GET", "")).json
        assert [each["connectionId"] for each in first["connections"]] == sorted(servers)[:100]
        await desk.ask("DELETE", "/s099")
        rest = (await desk.ask("GET", f"?cursor={first['nextCursor']}&name=Many")).json
        assert [each["connectionId"] for each in rest["connections"]] == ["s100", "s101"]
        assert rest["nextCursor"] is None
        assert (await desk.ask("GET", "?limit=2&cursor=")).status == 400
        for query in ("limit=0", "limit=101", "limit=-1", "limit=x", "cursor=abc", "cursor=" + "A" * 300, "cursor=%00"):
            assert (await desk.ask("GET", f"?{query}")).status == 400, query


@requirement("API-2:lists")
async def test_metadata_is_found_by_text_or_by_json(tmp_path: Path) -> None:
    metadata = {"text": "a b", "number": 3, "yes": True, "list": [1, "x"], "deep": {"a": 1}, "digits": "3", "a.b": "c"}
    async with space(tmp_path, {"one": {"mock": {}, "metadata": metadata}, "two": {"mock": {}}}) as desk:
        for query, fits in {
            "text=a+b": True,
            "text=a": False,
            "number=3": True,
            "number=3.0": True,
            "number=true": False,
            "yes=true": True,
            "yes=1": False,
            "list=[1,%22x%22]": True,
            "deep={%22a%22:1}": True,
            "digits=3": True,
            "digits=%223%22": False,
            "a.b=c": True,
            "absent=": False,
            "number=" + "[" * 5000: False,
        }.items():
            found = (await desk.ask("GET", f"?metadata.{query}")).json["connections"]
            assert [each["connectionId"] for each in found] == (["one"] if fits else []), query


@requirement("API-2:waits")
async def test_what_an_editor_creates_is_seen_and_waits_for_an_operator(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, space(tmp_path) as desk:
        made = await desk.ask("PUT", "/one", {"mcpUrl": url}, "editor")
        plan = made.headers["x-reconciler-plan"]
        assert made.json["status"] == {
            "state": "error",
            "message": f"waits for approval {plan}: `reconciler approve {plan}`",
        }
        assert [each["connectionId"] for each in (await desk.ask("GET", "")).json["connections"]] == ["one"]
        assert (await desk.ask("GET", "/one", role="viewer")).json == made.json
        assert (await desk.ask("GET", "/one/.tools", role="viewer")).status == 503
        assert desk.engine.host.projects["desk"].ledger.document.servers == {}
        yes = await desk.engine.ask("POST", "/api/v1/approve", "operator", {"plan": plan})
        assert yes.status == 200
        assert (await desk.ask("GET", "/one")).json["status"] == {"state": "connected"}


@requirement("API-2:waits")
async def test_an_editor_can_take_back_what_waits(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        await desk.ask("PUT", "/one", {"mcpUrl": NOWHERE}, "editor")
        assert (await desk.ask("DELETE", "/one", role="editor")).json == {"success": True}
        assert (desk.servers, (await desk.ask("GET", "/one")).status) == ({}, 404)


@requirement("API-2:connections", "GATE-1:roles")
@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "", "viewer"),
        ("GET", "/ev", "viewer"),
        ("GET", "/ev/.tools", "viewer"),
        ("GET", "/ev/.tools/echo", "viewer"),
        ("GET", "/ev/.triggers", "viewer"),
        ("POST", "/ev/.tools/echo", "client"),
        ("POST", "", "editor"),
        ("PUT", "/ev", "editor"),
        ("DELETE", "/ev", "editor"),
    ],
)
async def test_each_route_has_its_least_role(tmp_path: Path, method: str, path: str, least: str) -> None:
    roles: list[Any] = ["viewer", "client", "editor", "operator"]
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        body = {"text": "hi"} if path.startswith("/ev/.tools") else SEED if not path else {}
        assert (await desk.ask(method, path, body, None)).status == 401
        for role in roles[: roles.index(least)]:
            refused = await desk.ask(method, path, body, role)
            assert (refused.status, refused.json["error"]) == (403, "not-allowed")
        assert (await desk.ask(method, path, body, least)).status in (200, 201)


@requirement("API-2:connections")
async def test_two_sets_of_one_new_id_at_once_never_mix(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        bodies = [{"mcpUrl": f"https://mcp.invalid/{number}", "mock": {"enabled": True}} for number in range(4)]
        async with anyio.create_task_group() as group:
            answers: list[Any] = []

            async def put(body: Any) -> None:
                answers.append(await desk.ask("PUT", "/one", body))

            for body in bodies:
                group.start_soon(put, body)
        assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]


@requirement("API-2:connections")
async def test_a_protected_server_is_not_deleted(tmp_path: Path) -> None:
    async with space(tmp_path, {"one": {"mock": {}, "protect": True}}) as desk:
        kept = await desk.ask("DELETE", "/one")
        assert (kept.status, kept.json["error"], list(desk.servers)) == (423, "blocked", ["one"])


async def _change(desk: Space, patch: dict[str, Any]) -> None:
    who = Principal("test", "operator")
    await change(desk.engine.host.projects["desk"], patch, if_match=None, principal=who, wait=5)


@requirement("API-2:status")
async def test_what_is_not_set_is_asked_for_and_a_set_with_it_completes_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONNECT_TEST_KEY", raising=False)
    monkeypatch.setenv("CONNECT_TEST_MODE", "fast")
    async with sdk_http.serving() as url, space(tmp_path) as desk:
        query = "mode=${env:CONNECT_TEST_MODE}&key=${env:CONNECT_TEST_KEY}"
        headers = {"X-Key": "${CONNECT_TEST_KEY}", "X-Mode": "${CONNECT_TEST_MODE}"}
        await _change(desk, {"mcpServers": {"one": {"url": f"{url}?{query}", "headers": headers}}})
        found = (await desk.ask("GET", "/one")).json
        assert found["mcpUrl"] == f"{url}?{query}"
        assert found["status"] == {
            "state": "input_required",
            "http": {
                "headers": {"X-Key": {"label": "X-Key", "description": _said("CONNECT_TEST_KEY"), "required": True}},
                "query": {"key": {"label": "key", "description": _said("CONNECT_TEST_KEY"), "required": True}},
            },
            "missing": {"headers": ["X-Key"], "query": ["key"]},
        }
        for elsewhere in (f"{url}/x?{query}", url.replace("http:", "https:") + "?key=v", "http://127.0.0.2/mcp?key=v"):
            assert (await desk.ask("PUT", "/one", {"mcpUrl": elsewhere})).status == 409
        encoded = "mode=%24%7Benv%3ACONNECT_TEST_MODE%7D&key=the+value%21"
        filled = await desk.ask("PUT", "/one", {"mcpUrl": f"{url}?{encoded}", "headers": {"X-Key": "header-value"}})
        assert filled.json["status"] == {"state": "connected"}
        assert desk.servers["one"] == {
            "url": f"{url}?mode=${{env:CONNECT_TEST_MODE}}&key=${{secret:one.url.key}}",
            "headers": {"X-Key": "${secret:one.headers.X-Key}", "X-Mode": "${CONNECT_TEST_MODE}"},
        }
        assert desk.engine.host.projects["desk"].vault.get("one.url.key") == "the+value%21"
        assert (await desk.ask("PUT", "/one", {"mcpUrl": f"{url}?key=other"})).status == 409


def _said(name: str) -> str:
    return f"${{env:{name}}} is not set"


@requirement("API-2:status")
async def test_one_header_alone_can_be_brought(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, space(tmp_path) as desk:
        await _change(desk, {"mcpServers": {"one": {"url": url, "headers": {"X-Key": "${secret:nobody-stored}"}}}})
        wanted = (await desk.ask("GET", "/one")).json["status"]
        assert (wanted["state"], wanted["missing"]) == ("input_required", {"headers": ["X-Key"], "query": []})
        filled = await desk.ask("PUT", "/one", {"headers": {"X-Key": "v"}})
        assert filled.json["status"] == {"state": "connected"}


@requirement("API-2:status")
async def test_a_connection_that_fails_says_why_and_one_that_is_off_is_disconnected(tmp_path: Path) -> None:
    async with evil_http.EvilHttp(evil_http.says(500)) as server, space(tmp_path) as desk:
        failed = (await desk.ask("PUT", "/one", {"mcpUrl": server.url})).json["status"]
        assert failed["state"] == "error" and "500" in failed["message"]
        await _change(desk, {"mcpServers": {"one": {"enabled": False}}})
        assert (await desk.ask("GET", "/one")).json["status"] == {"state": "disconnected"}


@requirement("API-2:status")
async def test_a_connection_that_failed_is_no_better_while_it_is_tried_again(tmp_path: Path) -> None:
    closed = evil_http.EvilHttp(evil_http.never)
    async with closed:
        address = closed.url
    async with space(tmp_path) as desk:
        for path in ("/one", "/two", "/three"):
            failed = (await desk.ask("PUT", path, {"mcpUrl": address})).json["status"]
            assert failed == {"state": "error", "message": f"127.0.0.1:{closed.port} refuses connections."}
            assert (await desk.ask("GET", path)).json["status"] == failed


@requirement("API-2:status", "AUTH-1:sign-in")
async def test_a_server_that_asks_for_it_is_signed_in_to_at_the_page_that_both_names_lead_to(tmp_path: Path) -> None:
    async with OAuthServer() as server, space(tmp_path) as desk:
        made = (await desk.ask("PUT", "/one", {"mcpUrl": server.url, "name": "Ask"})).json
        page = made["status"]["setupUrl"]
        assert made["status"] == {"state": "auth_required", "setupUrl": page, "authorizationUrl": page}
        assert page.startswith(server.origin) and desk.servers["one"]["oauth"] is True
        assert (await desk.ask("GET", "/one")).json == made
        project = desk.engine.host.projects["desk"]
        back = await server.answer(page)
        await project.sign_ins.finish(back["state"], back.get("code"), back.get("iss"), back.get("error"))
        with anyio.fail_after(20):
            await project.settled("one")
        assert (await desk.ask("GET", "/one")).json["status"] == {"state": "connected"}
        tools = (await desk.ask("GET", "/one/.tools")).json["tools"]
        assert "whoami" in [tool["name"] for tool in tools]


@requirement("API-2:status")
@pytest.mark.parametrize("challenge", ["Basic realm=x", ""])
async def test_a_server_that_refuses_otherwise_is_not_signed_in_to(tmp_path: Path, challenge: str) -> None:
    behaviour = evil_http.says(401, www_authenticate=challenge)
    async with evil_http.EvilHttp(behaviour) as server, space(tmp_path) as desk:
        made = await desk.ask("PUT", "/one", {"mcpUrl": server.url})
        assert (made.json["status"]["state"], "oauth" in desk.servers["one"]) == ("error", False)


@requirement("API-2:status")
async def test_a_key_that_is_refused_is_said_so_and_no_page_is_asked_for(tmp_path: Path) -> None:
    async with OAuthServer() as server, space(tmp_path) as desk:
        made = await desk.ask("PUT", "/one", {"mcpUrl": server.url, "headers": {"authorization": "Bearer wrong-key"}})
        assert (made.json["status"]["state"], "oauth" in desk.servers["one"]) == ("error", False)
