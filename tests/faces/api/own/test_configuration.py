"""The configuration over our own API: which version, what was changed, what waits, and why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.client import ApiError, Client
from reconciler.faces.cli.listening import Listening
from reconciler.store.files import text_digest
from reconciler.store.tokens import Role
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer
from tests.requirements import requirement

pytestmark = [requirement("OPS-1:configuration"), pytest.mark.anyio]

DESCRIBED: dict[str, Any] = {"mcpServers": {"one": {"description": "d"}}}


def file_of(engine: Hosted) -> Path:
    return engine.host.root.sources.main


async def applied(engine: Hosted) -> str:
    """The engine has applied its file; the ETag of that."""
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 10})
    assert b'"exit": 0' in answer.body, answer.body
    return (await engine.ask("GET", "/api/v1/config", "viewer")).headers["etag"]


async def patch(engine: Hosted, body: Any, role: Role = "operator", query: str = "", **headers: str) -> Answer:
    given = {"if_match": "*", **headers}
    return await engine.ask("PATCH", f"/api/v1/config{query}", role, body, **given)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


async def test_it_is_read_with_the_name_of_its_version_and_without_secrets(tmp_path: Path) -> None:
    one = light("one", env={"KEY": CANARY}, description="d")
    async with hosted(tmp_path, {"one": one}) as engine:
        answer = await engine.ask("GET", "/api/v1/config", "viewer")
        assert answer.status == 200
        assert answer.headers["etag"] == f'"{text_digest(file_of(engine).read_bytes())}"'
        assert answer.json == {"version": 1, "project": "desk", "mcpServers": {"one": {**one, "env": {"KEY": "***"}}}}


async def test_what_was_read_and_is_sent_back_changes_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one", env={"KEY": CANARY})}) as engine:
        etag, text = await applied(engine), file_of(engine).read_bytes()
        whole = (await engine.ask("GET", "/api/v1/config", "viewer")).json
        answer = await patch(engine, whole, "editor", if_match=etag)
        assert (answer.status, answer.headers["etag"], answer.json["pending"]) == (200, etag, [])
        assert (answer.json["applied"]["results"], file_of(engine).read_bytes()) == ([], text)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/merge-patch+json", "application/json; charset=utf-8"]
)
async def test_a_patch_for_a_version_is_taken_up_and_names_the_next(tmp_path: Path, kind: str) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        etag = await applied(engine)
        answer = await patch(engine, DESCRIBED, "editor", if_match=etag, content_type=kind)
        assert answer.status == 200, answer.body
        assert answer.json["config"]["mcpServers"]["one"]["description"] == "d"
        results = [(row["server"], row["action"], row["status"]) for row in answer.json["applied"]["results"]]
        assert (results, answer.json["pending"]) == ([("one", "update", "applied")], [])
        assert answer.headers["etag"] == f'"{text_digest(file_of(engine).read_bytes())}"' != etag
        assert code(await patch(engine, DESCRIBED, if_match=etag)) == (412, "stale")


async def test_without_a_version_nothing_is_changed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await applied(engine)
        text = file_of(engine).read_bytes()
        answer = await engine.ask("PATCH", "/api/v1/config", "operator", DESCRIBED)
        assert code(answer) == (428, "if-match-needed")
        assert code(await patch(engine, DESCRIBED, if_match="sha256:1")) == (400, "bad-if-match")
        assert code(await patch(engine, DESCRIBED, if_match='"sha256:1"')) == (412, "stale")
        assert code(await patch(engine, DESCRIBED, if_match="")) == (428, "if-match-needed")
        assert file_of(engine).read_bytes() == text
        assert (await patch(engine, DESCRIBED, if_match="*")).status == 200


async def test_of_two_who_change_the_same_version_one_is_told(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        etag, found = await applied(engine), []

        async def ask(name: str) -> None:
            found.append(await patch(engine, {"mcpServers": {"one": {"name": name}}}, if_match=etag))

        async with anyio.create_task_group() as group:
            for name in ("A", "B"):
                group.start_soon(ask, name)
        assert sorted(answer.status for answer in found) == [200, 412]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", ""])
async def test_a_body_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        assert code(await patch(engine, DESCRIBED, content_type=kind)) == (415, "not-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"text"', b'{"a":1,"a":2}', b"{", b'{"a": NaN}', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(tmp_path: Path, body: bytes) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        text = file_of(engine).read_bytes()
        assert code(await patch(engine, body)) == (400, "bad-json")
        assert file_of(engine).read_bytes() == text


async def test_every_mistake_is_answered_with_its_place_and_nothing_is_changed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await applied(engine)
        text = file_of(engine).read_bytes()
        wrong = {"mcpServers": {"bad": {"name": "B"}, "one": {"timeouts": {"call": "soon"}}}}
        answer = await patch(engine, wrong)
        assert code(answer) == (422, "invalid")
        assert [problem["code"] for problem in answer.json["problems"]] == ["bad-duration", "no-transport"]
        kept = await patch(engine, {"mcpServers": {"one": {"env": {"NEW": "***"}}}})
        assert (code(kept), kept.json["problems"][0]["code"]) == ((422, "invalid"), "nothing-stored")
        assert code(await patch(engine, {"version": 2})) == (422, "own-setting")
        assert file_of(engine).read_bytes() == text


async def test_a_file_with_mistakes_is_neither_read_nor_changed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        file_of(engine).write_text("mcpServers: [", encoding="utf-8")
        for answer in (
            await engine.ask("GET", "/api/v1/config", "viewer"),
            await engine.ask("POST", "/api/v1/plan", "viewer", {}),
        ):
            assert (code(answer), bool(answer.json["problems"])) == ((422, "invalid"), True)
        answer = await patch(engine, DESCRIBED)
        assert (code(answer), bool(answer.json["problems"])) == ((409, "invalid"), True)


async def test_what_is_guarded_and_what_is_not_believed_is_a_conflict(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one", protect=True), "two": light("two")}) as engine:
        await applied(engine)
        assert code(await patch(engine, {"mcpServers": {"one": None}})) == (409, "blocked")
        assert code(await patch(engine, {"mcpServers": None})) == (409, "blocked")
        engine.host.root.followed.held = "it shrank"
        assert code(await patch(engine, DESCRIBED)) == (409, "held")


async def test_a_secret_goes_in_and_never_comes_out(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await applied(engine)
        answer = await patch(engine, {"mcpServers": {"one": {"env": {"KEY": CANARY}}}}, query="?wait=10")
        assert answer.json["config"]["mcpServers"]["one"]["env"] == {"KEY": "${secret:one.env.KEY}"}
        assert [row["status"] for row in answer.json["applied"]["results"]] == ["applied"]
        assert engine.host.root.vault.get("one.env.KEY") == CANARY
        for body in ({"patch": {"mcpServers": {"one": {"env": {"OTHER": CANARY}}}}}, {}):
            assert CANARY.encode() not in (await engine.ask("POST", "/api/v1/plan", "editor", body)).body
        damaged = await patch(engine, {"mcpServers": {"one": {"env": {"KEY": "x" * 70_000}}}})
        assert code(damaged) == (503, "vault")


async def test_what_an_editor_may_not_say_yes_to_waits_under_the_id_that_is_answered(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await applied(engine)
        mark = tmp_path / "ran"
        answer = await patch(engine, {"mcpServers": {"t": {"command": "touch", "args": [str(mark)]}}}, "editor")
        [pending] = answer.json["pending"]
        assert (answer.status, pending["server"], pending["by"]) == (200, "t", "editor-token")
        assert (answer.json["applied"]["id"], answer.json["applied"]["exit"]) == (pending["id"], 6)
        blind = {"yes": "all", "seen": True}
        for body in (blind, {"yes": "all", "expected": pending["id"]}):
            assert (await engine.ask("POST", "/api/v1/apply", "operator", body)).status == 200
        assert not mark.exists()
        said = {"plan": pending["id"], "servers": []}
        assert code(await engine.ask("POST", "/api/v1/approve", "editor", said)) == (403, "not-allowed")
        await engine.ask("POST", "/api/v1/approve", "operator", said)
        assert mark.exists()


async def test_a_yes_to_the_plan_that_was_shown_is_one_to_what_is_held(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await applied(engine)
        mark = tmp_path / "ran"
        await patch(engine, {"mcpServers": {"t": {"command": "touch", "args": [str(mark)]}}}, "editor")
        shown = (await engine.ask("POST", "/api/v1/plan", "operator", {})).json
        assert [action["id"] for action in shown["actions"]] == ["t"]
        yes = {"yes": "all", "expected": shown["id"], "seen": True}
        await engine.ask("POST", "/api/v1/apply", "operator", yes)
        assert mark.exists()


async def test_an_engine_that_only_reads_says_what_to_commit(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}, listening=Listening("127.0.0.1:0", read_only=True)) as engine:
        await applied(engine)
        text = file_of(engine).read_bytes()
        body = {"mcpServers": {"one": {"env": {"KEY": CANARY}, "description": "d"}}}
        answer = await patch(engine, body)
        assert code(answer) == (403, "read-only")
        assert answer.json["patch"] == {"mcpServers": {"one": {"env": {"KEY": "***"}, "description": "d"}}}
        assert (file_of(engine).read_bytes(), engine.host.root.vault.list()) == (text, ())
        assert (await engine.ask("GET", "/api/v1/hello", "viewer")).json["readOnly"] is True


async def test_a_plan_of_the_file_or_of_a_patch_changes_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        etag = await applied(engine)
        before = engine.host.root.ledger.accepted
        empty = await engine.ask("POST", "/api/v1/plan", "viewer", {})
        assert (empty.status, empty.json["actions"]) == (200, [])
        asked = {"patch": {"mcpServers": {"one": {"args": ["x"]}}}}
        planned = await engine.ask("POST", "/api/v1/plan", "editor", asked)
        [action] = planned.json["actions"]
        assert (action["id"], action["marks"], planned.json["patch"]) == ("one", ["launch"], asked["patch"])
        assert code(await engine.ask("POST", "/api/v1/plan", "viewer", asked)) == (403, "not-allowed")
        assert code(await engine.ask("POST", "/api/v1/plan", "editor", {"patch": {"version": 2}})) == (
            422,
            "own-setting",
        )
        assert code(await engine.ask("POST", "/api/v1/plan", "editor", {"patch": []})) == (400, "bad-body")
        assert engine.host.root.ledger.accepted == before
        changed = await patch(engine, asked["patch"], if_match=etag)
        assert changed.json["applied"]["id"] == planned.json["id"]


async def test_the_client_reads_plans_and_changes(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await applied(engine)
        client = Client(engine.state.socket)

        def use() -> None:
            config, etag = client.config()
            assert config["mcpServers"]["one"]["command"]
            assert client.plan()["actions"] == []
            assert [action["id"] for action in client.plan(DESCRIBED)["actions"]] == ["one"]
            changed, later = client.change_config(DESCRIBED, if_match=etag, wait=10)
            assert (changed["pending"], changed["config"]["mcpServers"]["one"]["description"]) == ([], "d")
            assert client.config() == (changed["config"], later)
            with pytest.raises(ApiError) as stale:
                client.change_config(DESCRIBED, if_match=etag)
            assert (stale.value.status, stale.value.code) == (412, "stale")

        await anyio.to_thread.run_sync(use)


async def test_each_project_has_its_own_configuration(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}, "other") as engine:
        answer = await engine.ask("GET", "/p/other/api/v1/config", "viewer")
        assert answer.status == 401  # a token is of its project
        there = await engine.ask("GET", "/p/desk/api/v1/config", "viewer")
        assert there.json["project"] == "desk"
