"""The config dialect over a real listener: the calls of its product's client, and what it never does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from starlette.routing import Route

from reconciler.engine.change import plan_file
from reconciler.faces.api.access import RANKS, RoleRoute
from reconciler.faces.api.config.endpoint import routes
from reconciler.gate.gate import Role
from reconciler.plan.actions import Plan
from reconciler.plan.document import to_document
from reconciler.sessions.sign_in.sign_ins import CALLBACK
from reconciler.store.tokens import create_token
from tests.canary import CANARY
from tests.engine.desk import LIGHT, light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer
from tests.requirements import requirement
from tests.rig import sdk_http
from tests.rig.oauth_server import OAuthServer

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parent / "client.mjs"


async def patch(engine: Hosted, body: Any, role: Any = "operator", **headers: str) -> Answer:
    return await engine.ask("PATCH", "/api/config", role, body, **headers)


async def config(engine: Hosted) -> dict[str, Any]:
    answer = await engine.ask("GET", "/api/config", "viewer")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


async def servers(engine: Hosted, role: Any = "viewer") -> dict[str, dict[str, Any]]:
    answer = await engine.ask("GET", "/api/mcp-servers", role)
    assert answer.status == 200, answer.body
    return {row["id"]: row for row in answer.json["servers"]}


def file_of(engine: Hosted) -> Path:
    return engine.host.root.sources.main


async def settled(engine: Hosted) -> None:
    """Every session is where it was going."""
    project = engine.host.root
    with anyio.fail_after(20):
        for server_id in tuple(project.ledger.document.servers):
            await project.settled(server_id)


async def written(engine: Hosted, text: str) -> None:
    """Save a text and apply it."""
    file_of(engine).write_text(text, encoding="utf-8")
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "allow": ["mass-delete"]})
    assert answer.status == 200, answer.body


@pytest.mark.needs("node")
@requirement("API-3:client", "API-3:json-on-every-2xx", "API-3:null-removes", "API-3:atomic")
async def test_each_call_of_the_products_client_in_its_order(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, hosted(tmp_path) as engine:
        job = {
            "url": engine.host.facts.url,
            "token": engine.token("operator"),
            "viewer": engine.token("viewer"),
            "mcp": url,
            "command": sys.executable,
            "args": ["-E", "-S", "-u", str(LIGHT), "--name", "local"],
        }
        pipe = asyncio.subprocess.PIPE
        with anyio.fail_after(90):
            node = await asyncio.create_subprocess_exec("node", str(SCRIPT), stdin=pipe, stdout=pipe, stderr=pipe)
            out, err = await node.communicate(json.dumps(job).encode())
        assert (node.returncode, err.decode()) == (0, "")
        assert len(json.loads(out)) == SCRIPT.read_text(encoding="utf-8").count("await step(")


@requirement("API-3:seed-examples")
async def test_the_examples_of_the_seed_but_for_host_and_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    starts = f'#!/bin/sh\nexec "{sys.executable}" -E -S -u "{LIGHT}" --name github\n'
    (programs / "bunx").write_text(starts, encoding="utf-8")
    (programs / "bunx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    async with sdk_http.serving() as url, hosted(tmp_path) as engine:
        github = {
            "command": "bunx",
            "args": ["@modelcontextprotocol/server-github"],
            "name": "GitHub",
            "env": ["GITHUB_PERSONAL_ACCESS_TOKEN"],
            "enabled": True,
            "requireApproval": True,
        }
        answer = await patch(engine, {"mcpServers": {"github": github}})
        assert (answer.status, answer.json["mcpServers"]["github"]) == (200, {**github, "oauth": False})
        remote = {"url": url, "name": "Remote Tools", "enabled": True, "requireApproval": True}
        secret = {"headers": {"Authorization": "Bearer sk-abc123"}}
        answer = await patch(engine, {"mcpServers": {"remote-tools": {**remote, **secret}}})
        shown = answer.json["mcpServers"]["remote-tools"]
        assert answer.status == 200
        assert "sk-abc123" not in answer.body.decode()
        assert {**shown, "headers": None} == {**remote, "oauth": False, "headers": None}
        signs_in = {"url": url, "name": "OAuth Server", "oauth": True, "enabled": True, "requireApproval": True}
        answer = await patch(engine, {"mcpServers": {"oauth-server": signs_in}})
        assert (answer.status, answer.json["mcpServers"]["oauth-server"]) == (200, signs_in)
        await settled(engine)
        row = (await servers(engine))["github"]
        assert row["tools"][0] == {"id": "github_echo", "name": "echo", "description": "echo of the test rig"}
        assert {**row, "tools": []} == {
            "id": "github",
            "name": "GitHub",
            "type": "stdio",
            "enabled": True,
            "requireApproval": True,
            "tools": [],
            "error": None,
        }
        answer = await patch(engine, {"mcpServers": {"github": {"enabled": False}}})
        assert (answer.status, answer.json["mcpServers"]["github"]) == (
            200,
            {**github, "enabled": False, "oauth": False},
        )
        row = (await servers(engine))["github"]
        assert (row["enabled"], row["tools"], row["error"]) == (False, [], None)
        answer = await patch(engine, {"mcpServers": {"github": None}})
        assert (answer.status, sorted(answer.json["mcpServers"])) == (200, ["oauth-server", "remote-tools"])
        assert sorted(await servers(engine)) == ["oauth-server", "remote-tools"]


COMMENTED = """\
# what we run
version: 1
project: desk
mcpServers:
  # ours
  git_hub.io-x:   # the one
    command: {command}
    args: {args}
    requireApproval: false  # we trust it
  other:
    command: "/nowhere"   # not here
    enabled: false
# the end
"""


def commented() -> str:
    return COMMENTED.format(command=json.dumps(sys.executable), args=json.dumps(light("x")["args"]))


@requirement("API-3:comments", "API-3:null-removes")
async def test_disabling_and_removing_leave_every_comment_where_it_is(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        await written(engine, commented())
        await settled(engine)
        assert (await servers(engine))["git_hub.io-x"]["tools"][0]["id"] == "git_hub.io-x_echo"
        assert (await patch(engine, {"mcpServers": {"git_hub.io-x": {"enabled": False}}})).status == 200
        text = file_of(engine).read_text(encoding="utf-8")
        assert text == commented().replace("we trust it\n", "we trust it\n    enabled: false\n")
        await settled(engine)
        assert engine.host.root.serving("git_hub.io-x") is None
        assert (await patch(engine, {"mcpServers": {"git_hub.io-x": {"enabled": None}}})).status == 200
        assert file_of(engine).read_text(encoding="utf-8") == commented()
        assert (await patch(engine, {"mcpServers": {"other": None}})).status == 200
        gone = '  other:\n    command: "/nowhere"   # not here\n    enabled: false\n'
        assert file_of(engine).read_text(encoding="utf-8") == commented().replace(gone, "")
        await settled(engine)
        assert list(await servers(engine)) == ["git_hub.io-x"]


@requirement("API-3:only-what-it-names")
async def test_one_patch_disturbs_only_its_server(tmp_path: Path) -> None:
    async with hosted(tmp_path, {name: light(name) for name in ("a", "b_c")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        await settled(engine)
        before = {name: engine.host.root.hub.slot(name).live for name in ("a", "b_c")}
        assert (await patch(engine, {"mcpServers": {"a": {"args": light("a", "--mark", "2")["args"]}}})).status == 200
        await settled(engine)
        after = {name: engine.host.root.hub.slot(name).live for name in ("a", "b_c")}
        assert (after["a"] is before["a"], after["b_c"] is before["b_c"]) == (False, True)


@requirement("API-3:round-trip")
async def test_the_whole_configuration_sent_back_leaves_the_file_to_the_byte(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        text = commented().replace(
            "enabled: false\n", 'enabled: false\n    env: {TOKEN: "hidden-here", A: "${HOME}"}\n'
        )
        await written(engine, text)
        shown = await config(engine)
        assert shown["mcpServers"]["other"]["env"] == {"TOKEN": "***", "A": "${env:HOME}"}
        answer = await patch(engine, shown)
        assert (answer.status, answer.json) == (200, shown)
        assert file_of(engine).read_text(encoding="utf-8") == text
        shown["mcpServers"]["other"]["name"] = "Other"
        assert (await patch(engine, shown)).status == 200
        assert file_of(engine).read_text(encoding="utf-8").replace("    name: Other\n", "") == text


@requirement("API-3:atomic")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"mcpServers": {"bad": {"name": "x"}}}, "mcpServers.bad: Either command or url is required"),
        (
            {"mcpServers": {"b": {}, "a": {"name": "x"}}},
            "mcpServers.b: Either command or url is required, mcpServers.a: Either command or url is required",
        ),
        ({"mcpServers": {"a": {"command": "x", "args": [1]}}}, "mcpServers.a.args.0: "),
        ({"mcpServers": {"a": {"command": "x", "enabled": "no"}}}, "mcpServers.a.enabled: "),
        ({"mcpServers": {"a": {"command": "x", "permissions": {}}}}, "mcpServers.a.permissions: "),
        ({"mcpServers": {"a__b": {"command": "x"}}}, "mcpServers.a__b: "),
        ({"mcpServers": {"a": {"command": "x", "headers": {"A": "b"}}}}, "mcpServers.a.headers: "),
        ({"mcpServers": {"a": {"url": "ftp://x/"}}}, "mcpServers.a.url: "),
        ({"mcpServers": {"a": 7}}, "mcpServers.a: "),
        ({"mcpServers": 7}, "mcpServers: "),
        ({"mcpServers": [{"a": None}]}, "mcpServers: "),
        ({"models": {"default": "x"}}, "models: "),
        ({"mcpServers": None}, "mcpServers: null would remove every server at once; name each one that goes with null"),
    ],
)
async def test_what_is_invalid_is_named_by_its_path_and_changes_nothing(tmp_path: Path, body: Any, error: str) -> None:
    async with hosted(tmp_path, {"kept": light("kept", enabled=False)}) as engine:
        text, shown = file_of(engine).read_bytes(), await config(engine)
        answer = await patch(engine, body)
        assert (answer.status, list(answer.json)) == (400, ["error"])
        said = answer.json["error"]
        assert said == error or (error.endswith(": ") and said.startswith(error) and len(said) > len(error))
        assert (file_of(engine).read_bytes(), await config(engine)) == (text, shown)


MALFORMED = [
    *(b"", b"{", b"[]", b"[{}]", b"7", b"null", b'"x"', b"true", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1, "a": 2}'),
    *(
        b'{"mcpServers": {"a": {"command": "\\ud800"}}}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
    ),
    *(b"[" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500, b'{"mcpServers": {}, "mcpServers": {"a": null}}'),
]
"""Bodies that are no patch, whoever reads them."""


@requirement("API-3:malformed")
@pytest.mark.parametrize("path", ["/api/config", "/p/desk/api/config", "/api/mcp-servers"])
async def test_what_is_malformed_is_4xx_in_this_dialect_and_the_file_stays(tmp_path: Path, path: str) -> None:
    method = "POST" if path.endswith("servers") else "PATCH"
    async with hosted(tmp_path, {"kept": light("kept", enabled=False)}) as engine:
        text = file_of(engine).read_bytes()
        for body in MALFORMED:
            answer = await engine.ask(method, path, "operator", body)
            assert (answer.status, list(answer.json)) == (400, ["error"]), body[:40]
        for kind in ("text/plain", "application/json; charset=latin-1", "multipart/form-data", ""):
            answer = await engine.ask(method, path, "operator", {}, content_type=kind)
            assert (answer.status, list(answer.json)) == (415, ["error"]), kind
        large = b'{"x": "' + b"x" * 5 * 1024 * 1024 + b'"}'
        assert (await engine.ask(method, path, "operator", large)).status == 413
        assert file_of(engine).read_bytes() == text


@requirement("API-3:malformed")
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/config", "GET, HEAD, PATCH"),
        ("/p/desk/api/config", "GET, HEAD, PATCH"),
        ("/api/mcp-servers", "GET, HEAD, POST"),
        ("/api/mcp/servers/one", "DELETE, GET, HEAD, PATCH"),
        ("/connect/desk", "GET, HEAD, POST"),
        ("/desk/one", "DELETE, GET, HEAD, PUT"),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_answered_with_all_it_has(
    tmp_path: Path, path: str, methods: str
) -> None:
    async with hosted(tmp_path) as engine:
        for method in ("OPTIONS", "QUERY", "TRACE"):
            answer = await engine.ask(method, path, "operator")
            assert (answer.status, answer.headers["allow"]) == (405, methods)
            assert methods in answer.json.get("message", answer.json.get("error"))


@requirement("API-3:merge-patch")
async def test_both_media_types_of_a_patch_are_taken(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        for kind in ("application/json", "application/merge-patch+json", "application/json; charset=UTF-8"):
            name = kind.replace("/", " ")
            answer = await patch(engine, {"mcpServers": {"a": {"name": name}}}, content_type=kind)
            assert (answer.status, answer.json["mcpServers"]["a"]["name"]) == (200, name)
        post = await engine.ask("POST", "/api/mcp-servers", "operator", {}, content_type="application/merge-patch+json")
        assert post.status == 415


@requirement("API-3:merge-patch")
async def test_the_change_that_was_made_for_another_text_is_412(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        tag = (await engine.ask("GET", "/api/config", "viewer")).headers["etag"]
        first = await patch(engine, {"mcpServers": {"a": {"name": "1"}}}, if_match=tag)
        assert (first.status, first.headers["etag"] != tag) == (200, True)
        assert first.headers["x-reconciler-plan"].startswith("pln-")
        text = file_of(engine).read_bytes()
        for wrong in (tag, f"W/{first.headers['etag']}", '"x"', '"x", "y"'):
            lost = await patch(engine, {"mcpServers": {"a": {"name": "2"}}}, if_match=wrong)
            assert (lost.status, list(lost.json)) == (412, ["error"]), wrong
        for broken in ("x", '"', "sha256:1, ", '"a" "b"'):
            assert (await patch(engine, {"mcpServers": {"a": {"name": "2"}}}, if_match=broken)).status == 400
        assert file_of(engine).read_bytes() == text
        for good in ("*", f'"x", {first.headers["etag"]}'):
            assert (await patch(engine, {"mcpServers": {}}, if_match=good)).status == 200
        assert (await engine.ask("GET", "/api/config", "viewer")).headers["etag"] == first.headers["etag"]


@requirement("API-3:merge-patch")
async def test_without_if_match_no_change_of_fifty_at_once_is_lost(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        engine.token("operator")
        answers: list[Answer] = []

        async def one(number: int) -> None:
            body = {"id": f"s{number}", "command": "x", "enabled": False}
            how = number % 2
            answers.append(
                await engine.ask("POST", "/api/mcp-servers", "operator", body)
                if how
                else await patch(engine, {"mcpServers": {"a": {"metadata": {f"m{number}": number}}}})
            )

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(one, number)
        assert {answer.status for answer in answers} == {200, 201}
        shown = (await config(engine))["mcpServers"]
        assert len(shown) == 26
        assert len(shown["a"]["metadata"]) == 25


@requirement("API-3:add")
async def test_a_server_is_added_once_under_its_own_id_or_one_that_is_made(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"kept": light("kept", enabled=False)}) as engine:
        body = {"id": "mine", "command": "x", "enabled": False, "name": None}
        made = await engine.ask("POST", "/api/mcp-servers", "editor", body)
        fields = {"command": "x", "enabled": False, "name": "mine", "requireApproval": True, "oauth": False}
        assert (made.status, made.json) == (201, {"id": "mine", **fields})
        assert made.headers["x-reconciler-plan"].startswith("pln-")
        text = file_of(engine).read_bytes()
        for taken in ("mine", "kept"):
            again = await engine.ask("POST", "/api/mcp-servers", "operator", {**body, "id": taken})
            assert (again.status, list(again.json)) == (409, ["error"])
        for wrong in ("a__b", "MINE", "", " ", 7, ["x"], "reconciler", "a/b"):
            if wrong == "":
                continue
            bad = await engine.ask("POST", "/api/mcp-servers", "operator", {**body, "id": wrong})
            assert (bad.status, list(bad.json)) == (400, ["error"]), wrong
        assert file_of(engine).read_bytes() == text


@requirement("API-3:client")
async def test_a_project_answers_below_its_own_path_and_to_its_own_tokens(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}, "other") as engine:
        made = create_token(engine.host.projects["other"].state, "operator", "theirs")[1]
        engine.host.projects["other"].tokens.look()
        theirs = {"authorization": f"Bearer {made}"}
        assert (await engine.ask("GET", "/p/desk/api/config", "viewer")).json == await config(engine)
        assert (await engine.ask("GET", "/api/config", **theirs)).json == {"error": "unauthorized"}
        mine = await engine.ask("PATCH", "/p/other/api/config", None, {"mcpServers": {"b": {"command": "x"}}}, **theirs)
        assert (mine.status, list(mine.json["mcpServers"])) == (200, ["b"])
        assert list((await config(engine))["mcpServers"]) == ["a"]
        nobody = await engine.ask("GET", "/p/nobody/api/config", "operator")
        assert (nobody.status, list(nobody.json)) == (404, ["error"])
        root = await engine.ask("GET", "/p/desk/", "viewer")
        assert (root.status, root.json["auth"]) == (200, {"setup": True, "authenticated": True})


@requirement("API-3:client")
async def test_wrong_tokens_at_the_open_root_count_like_all_others(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        wrong = [await engine.ask("GET", "/", authorization=f"Bearer rcl_{n}") for n in range(12)]
        assert [answer.status for answer in wrong] == [200] * 10 + [429] * 2
        assert (await engine.ask("GET", "/")).json["auth"]["authenticated"] is False
        assert (await engine.ask("GET", "/", "viewer")).json["auth"]["authenticated"] is True
        assert (await engine.ask("POST", "/")).json == {"error": "unauthorized"}
        lost = await engine.ask("GET", "/api/chat", "viewer")
        assert (lost.status, lost.json) == (404, {"error": "Not Found", "path": "/api/chat"})
        assert (await engine.ask("DELETE", "/api/config", "operator")).status == 405


@requirement("API-3:error")
async def test_a_failed_server_says_why_and_a_broken_file_is_not_changed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"broken": {"command": "/nowhere/at-all"}}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        await settled(engine)
        row = (await servers(engine))["broken"]
        assert (row["tools"], "/nowhere/at-all" in row["error"]) == ([], True)
        file_of(engine).write_text("version: 1\nmcpServers: {a: {comand: x}}\n", encoding="utf-8")
        assert list((await config(engine))["mcpServers"]) == ["broken"]  # what holds while the file is broken
        answer = await patch(engine, {"mcpServers": {"broken": {"enabled": False}}})
        assert (answer.status, list(answer.json)) == (409, ["error"])
        assert "comand" in answer.json["error"]
        assert "comand" in file_of(engine).read_text(encoding="utf-8")


@requirement("API-3:waits")
async def test_what_an_editor_wants_to_run_waits_and_says_so_until_an_operator_says_yes(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"kept": light("kept")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        await settled(engine)
        pids = tmp_path / "pids"
        pids.mkdir()
        answer = await patch(engine, {"mcpServers": {"new": light("new", "--pids", str(pids), name="New")}}, "editor")
        assert (answer.status, answer.json["mcpServers"]["new"]["name"]) == (200, "New")
        plan = answer.headers["x-reconciler-plan"]
        row = (await servers(engine))["new"]
        waits = {"id": "new", "name": "New", "type": "stdio", "enabled": True, "requireApproval": True, "tools": []}
        assert row == {**waits, "error": f"waits for approval {plan}"}
        assert (await servers(engine))["kept"]["error"] is None
        posted = await engine.ask("POST", "/api/mcp-servers", "editor", {"id": "two", "command": "/nowhere"})
        assert (posted.status, posted.json["id"]) == (201, "two")
        assert (await servers(engine))["two"]["error"].startswith("waits for approval pln-")
        assert list(pids.iterdir()) == []
        await engine.ask("POST", "/api/v1/approve", "operator", {"plan": plan, "servers": ["new"]})
        await settled(engine)
        row = (await servers(engine))["new"]
        assert (row["error"], len(row["tools"]) > 0, len(list(pids.iterdir()))) == (None, True, 1)


@requirement("API-3:waits")
async def test_a_change_of_what_runs_waits_while_what_ran_goes_on(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        await settled(engine)
        live = engine.host.root.serving("a")
        answer = await patch(engine, {"mcpServers": {"a": {"args": light("a", "--mark", "2")["args"]}}}, "editor")
        row = (await servers(engine))["a"]
        assert (answer.status, row["error"]) == (200, f"waits for approval {answer.headers['x-reconciler-plan']}")
        assert len(row["tools"]) > 0
        assert engine.host.root.serving("a") is live


@requirement("API-3:whole", "API-4:secrets-never-render")
async def test_a_secret_that_comes_in_a_body_is_a_reference_in_every_answer(tmp_path: Path) -> None:
    body = {"url": "https://example.com/mcp", "enabled": False, "headers": {"Authorization": f"Bearer {CANARY}"}}
    async with hosted(tmp_path) as engine:
        answers = [
            await patch(engine, {"mcpServers": {"a": body}}),
            await engine.ask("POST", "/api/mcp-servers", "operator", {"id": "b", **body}),
            await engine.ask("GET", "/api/config", "viewer"),
            await engine.ask("GET", "/api/mcp-servers", "viewer"),
            await patch(engine, {"mcpServers": {"c": {**body, "enabled": "no"}}}),
            await patch(engine, {"mcpServers": {"c": {**body, "command": CANARY}}}),
            await patch(engine, {"mcpServers": {"c": {"command": "x", "env": [f"TOKEN={CANARY}"]}}}),
        ]
        assert [answer.status for answer in answers] == [200, 201, 200, 200, 400, 400, 400]
        assert not any(CANARY.encode() in answer.body for answer in answers)
        shown = (await config(engine))["mcpServers"]["a"]["headers"]["Authorization"]
        assert shown == "${secret:a.headers.Authorization}"
        assert CANARY not in file_of(engine).read_text(encoding="utf-8")
        text = file_of(engine).read_bytes()
        for kept in ("***", shown):
            answer = await patch(engine, {"mcpServers": {"a": {"headers": {"Authorization": kept}}}})
            assert (answer.status, file_of(engine).read_bytes()) == (200, text), kept
        nothing = await patch(engine, {"mcpServers": {"a": {"headers": {"X-Other": "***"}}}})
        assert (nothing.status, nothing.json["error"].startswith("mcpServers.a.headers.X-Other: ")) == (400, True)


@requirement("PLAN-2:accepted-as-body")
async def test_the_patch_that_a_plan_prints_is_a_body_that_gives_the_file_of_the_plan(tmp_path: Path) -> None:
    before = {"a": light("a", enabled=False), "gone": light("gone", enabled=False), "b": {"url": "https://b.example/"}}
    after = {"a": light("a", enabled=False, name="A"), "b": {"url": "https://b.example/x", "enabled": False}}
    after["new"] = {"command": "x", "args": ["--y"], "env": {"A": "${env:A}"}, "enabled": False}
    async with hosted(tmp_path, before) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        text = file_of(engine).read_text(encoding="utf-8")
        wanted = json.dumps({**json.loads(text), "mcpServers": after})
        file_of(engine).write_text(wanted, encoding="utf-8")
        plan = await plan_file(engine.host.root)
        assert isinstance(plan, Plan)
        body = to_document(plan)["patch"]
        file_of(engine).write_text(text, encoding="utf-8")
        answer = await patch(engine, body)
        assert answer.status == 200, answer.body
        assert json.loads(file_of(engine).read_text(encoding="utf-8"))["mcpServers"] == after


LEAST: dict[tuple[str, str], Role | None] = {
    ("GET", "/"): None,
    ("GET", CALLBACK): None,
    ("GET", "/api/config"): "viewer",
    ("PATCH", "/api/config"): "editor",
    ("GET", "/api/mcp-servers"): "viewer",
    ("POST", "/api/mcp-servers"): "editor",
}
"""Said a second time here; None is open to everybody."""


@requirement("GATE-1:roles")
async def test_every_route_has_the_role_that_is_written_here_and_keeps_to_it(tmp_path: Path) -> None:
    found = {
        (method, route.path): route.least if isinstance(route, RoleRoute) else None
        for route in routes()
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert found == LEAST
    async with hosted(tmp_path) as engine:
        text = file_of(engine).read_bytes()
        for (method, path), least in LEAST.items():
            if least is None:
                continue
            for role in ("viewer", "client", "editor", "operator"):
                answer = await engine.ask(method, path, role, b"[]" if method != "GET" else None)
                may = RANKS[role] >= RANKS[least]
                assert answer.status == (403 if not may else 200 if method == "GET" else 400), (method, path, role)
                assert list(answer.json) == ["error"] or answer.status == 200
        assert file_of(engine).read_bytes() == text


@requirement("API-3:refused")
async def test_an_engine_that_changes_no_file_answers_with_the_patch_to_make_by_hand(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        engine.host.root.read_only = True
        text = file_of(engine).read_bytes()
        body = {"mcpServers": {"a": {"name": "A", "env": {"TOKEN": CANARY}}}}
        masked = {"mcpServers": {"a": {"name": "A", "env": {"TOKEN": "***"}}}}
        answer = await patch(engine, body)
        assert (answer.status, list(answer.json), answer.json["patch"]) == (403, ["error", "patch"], masked)
        renamed = await engine.ask("PATCH", "/api/mcp/servers/a?projectId=desk", "operator", {"name": "A"})
        assert (renamed.status, renamed.json["success"]) == (403, False)
        assert renamed.json["patch"] == {"mcpServers": {"a": {"name": "A"}}}
        assert file_of(engine).read_bytes() == text


@requirement("API-3:refused")
async def test_what_is_protected_stays_and_own_settings_are_not_for_patches(tmp_path: Path) -> None:
    servers = {"a": light("a", enabled=False, protect=True)}
    async with hosted(tmp_path, servers) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        text = file_of(engine).read_bytes()
        for body, status in (
            ({"mcpServers": {"a": None}}, 409),
            ({"project": "other"}, 403),
            ({"version": None}, 403),
        ):
            answer = await patch(engine, body)
            assert (answer.status, list(answer.json)) == (status, ["error"]), body
        assert file_of(engine).read_bytes() == text
        assert (await patch(engine, {"version": 1, "project": "desk"})).status == 200  # as it is


@requirement("API-3:auth-url")
async def test_a_server_that_wants_a_sign_in_shows_where_until_somebody_did(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path) as engine:
        assert (await patch(engine, {"mcpServers": {"there": {"url": server.url, "oauth": True}}})).status == 200
        await settled(engine)
        row = (await servers(engine))["there"]
        assert row["authUrl"].startswith(server.origin)
        assert row["error"]
        parts = urlsplit(await server.browse(row["authUrl"]))
        back = await engine.ask("GET", f"{parts.path}?{parts.query}")
        assert back.status == 200
        await settled(engine)
        row = (await servers(engine))["there"]
        assert ("authUrl" in row, row["error"], len(row["tools"]) > 0) == (False, None, True)
