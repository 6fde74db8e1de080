"""Waiting calls over the API: what is listed, who may answer, and what many answers at once come to."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from reconciler.gate.showing import META, MOST_SHOWN
from reconciler.gate.turn import Patience
from reconciler.store.tokens import Role, create_token
from tests.canary import CANARY
from tests.faces.gateway.served import Served, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:api")]

TALLY = Path(__file__).parents[3] / "rig" / "tally.py"
LISTED = ["id", "server", "tool", "arguments", "requestedAt", "expiresAt", "principal"]


class Front:
    """A gateway, its API, and what really ran."""

    def __init__(self, at: Served, tally: Path) -> None:
        self.at = at
        self.tally = tally
        self.gate = at.desk.project.gate
        self.gate.patience = Patience(whole=0)
        self.tokens: dict[str, str] = dict(at.tokens.items())

    def token(self, role: Role) -> str:
        if role not in self.tokens:
            _, self.tokens[role] = create_token(self.at.desk.project.state, role)
            self.at.desk.project.tokens.look()
        return self.tokens[role]

    async def api(self, method: str, path: str, body: Any = None, role: Role = "operator") -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.token(role)}"}
        return await self.at.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def parked(self, tool: str = "it__add", **arguments: Any) -> str:
        answer = await self.at.stateless().call(tool, **arguments)
        call_id: str = answer.result["_meta"][META]["id"]
        return call_id

    async def result(self, call_id: str) -> dict[str, Any]:
        answer = await self.at.stateless().call("reconciler__result", id=call_id)
        result: dict[str, Any] = answer.result
        return result

    @property
    def ran(self) -> list[str]:
        return self.tally.read_text(encoding="utf-8").splitlines() if self.tally.exists() else []


@asynccontextmanager
async def front(folder: Path, **settings: Any) -> AsyncIterator[Front]:
    tally = folder / "tally"
    server = {"command": sys.executable, "args": ["-E", "-S", "-u", str(TALLY), "--file", str(tally)]}
    secret = {"env": {"TOKEN": CANARY}}
    async with served(folder, {"it": {**server, **secret}}, **settings) as at:
        yield Front(at, tally)


async def test_what_waits_is_listed_exactly_so_and_an_answer_lets_it_run_once(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a", n=1.0)
        listed = (await at.api("GET", "/approvals")).json()
        (row,) = listed["approvals"]
        assert (list(listed), list(row)) == (["approvals"], LISTED)
        assert (row["id"], row["server"], row["tool"], row["principal"]) == (call_id, "it", "add", "client")
        assert row["arguments"] == {"key": "a", "n": 1}
        answer = await at.api("POST", f"/approvals/{call_id}", {"decision": "allow"})
        assert answer.json() == {"id": call_id, "state": "allowed", "for": "once", "runs": False, "refused": None}
        assert (await at.api("GET", "/approvals")).json() == {"approvals": []}
        assert at.ran == []
        assert (await at.result(call_id))["content"][0]["text"] == "added"
        assert (await at.result(call_id))["content"][0]["text"] == "added"
        assert at.ran == ["add a"]
        (kept,) = (await at.api("GET", "/approvals?all=true")).json()["approvals"]
        assert list(kept) == [*LISTED, "state", "since", "who", "reason", "awaited"]
        assert (kept["state"], kept["who"]) == ("done", "operator")


async def test_a_yes_while_the_caller_waits_runs_at_once(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        at.gate.patience = Patience(whole=20)
        call = asyncio.create_task(at.at.stateless().call("it__add", key="a"))
        await at.at.desk.until(lambda: at.gate.approvals.waiting == 1)
        (row,) = (await at.api("GET", "/approvals")).json()["approvals"]
        answer = await at.api("POST", f"/approvals/{row['id']}", {"decision": "allow"})
        assert answer.json()["runs"] is True
        assert (await call).result["content"][0]["text"] == "added"


@pytest.mark.parametrize("role", ["viewer", "client", "editor"])
async def test_only_an_operator_answers_and_everybody_with_a_token_looks(tmp_path: Path, role: Role) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a")
        for decision in ("allow", "deny"):
            refused = await at.api("POST", f"/approvals/{call_id}", {"decision": decision}, role)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not-allowed")
        assert len((await at.api("GET", "/approvals", role=role)).json()["approvals"]) == 1
        assert (await at.api("GET", f"/approvals/{call_id}", role=role)).status_code == 200
        assert (await at.api("GET", "/audit", role=role)).status_code == 200
        nobody = await at.at.http.post(f"/api/v1/approvals/{call_id}", json={"decision": "allow"})
        assert nobody.status_code == 401
        assert at.ran == []


async def test_no_tool_of_the_gateway_approves(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a")
        client = at.at.stateless()
        names = [tool["name"] for tool in (await client.ask("tools/list")).result["tools"]]
        assert sorted(names) == ["it__add", "it__hang", "it__slow", "reconciler__result"]
        for arguments in ({"id": call_id, "decision": "allow"}, {"id": call_id, "allow": True}):
            assert (await client.call("reconciler__result", **arguments)).result["isError"] is True
        assert at.ran == []


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/approvals/call-none", {"decision": "allow"}, 404, "unknown-call"),
        ("/approvals/ID", {}, 400, "bad-body"),
        ("/approvals/ID", {"decision": True}, 400, "bad-body"),
        ("/approvals/ID", {"decision": "allow", "for": "ever"}, 400, "bad-body"),
        ("/approvals/ID", [], 400, "bad-json"),
    ],
)
async def test_what_is_no_answer_is_refused(tmp_path: Path, path: str, body: Any, status: int, code: str) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a")
        refused = await at.api("POST", path.replace("ID", call_id), body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert (await at.api("GET", "/approvals/call-none")).status_code == 404
        assert len((await at.api("GET", "/approvals")).json()["approvals"]) == 1


async def test_a_second_answer_is_told_what_happened(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a")
        await at.api("POST", f"/approvals/{call_id}", {"decision": "deny"})
        late = await at.api("POST", f"/approvals/{call_id}", {"decision": "allow"})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "too-late")
        assert "it was denied by operator at" in late.json()["error"]["message"]
        assert "operator said no" in (await at.result(call_id))["content"][0]["text"]


@requirement("GATE-2:content-bound")
async def test_a_changed_server_and_a_changed_tool_are_refused_with_the_reason(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a")
        desk = at.at.desk
        server = desk.project.ledger.document.servers["it"]
        desk.write({"it": {**server, "args": [*server["args"], "--mark", "other"]}})
        await desk.apply()
        refused = await at.api("POST", f"/approvals/{call_id}", {"decision": "allow"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "changed")
        assert 'the server "it" changed' in refused.json()["error"]["message"]
        assert await at.parked(key="a") != call_id


async def test_large_arguments_are_cut_in_the_list_and_whole_by_the_id(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="x" * (2 * MOST_SHOWN))
        (row,) = (await at.api("GET", "/approvals")).json()["approvals"]
        assert isinstance(row["arguments"], str)
        assert f"({2 * MOST_SHOWN + 10} characters in all)" in row["arguments"]
        whole = (await at.api("GET", f"/approvals/{call_id}")).json()
        assert whole["arguments"] == {"key": "x" * (2 * MOST_SHOWN)}
        await at.api("POST", f"/approvals/{call_id}", {"decision": "allow"})
        await at.result(call_id)
        assert at.ran == ["add " + "x" * (2 * MOST_SHOWN)]


@pytest.mark.canary_inputs("tally")
async def test_a_secret_among_the_arguments_is_shown_to_nobody_and_sent_as_it_is(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key=CANARY)
        for path in ("/approvals", "/approvals?all=true", f"/approvals/{call_id}", "/audit", "/events"):
            answer = await at.api("GET", path)
            assert (answer.status_code, CANARY in answer.text) == (200, False)
        assert (await at.api("GET", f"/approvals/{call_id}")).json()["arguments"] == {"key": "***"}
        await at.api("POST", f"/approvals/{call_id}", {"decision": "allow"})
        await at.result(call_id)
        assert at.ran == [f"add {CANARY}"]


@requirement("GATE-2:audit")
async def test_the_audit_is_read_from_a_time_on(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        call_id = await at.parked(key="a")
        await at.api("POST", f"/approvals/{call_id}", {"decision": "deny"})
        rows = (await at.api("GET", "/audit")).json()["audit"]
        assert [(row["decision"], row["outcome"], row["who"]) for row in rows] == [
            ("ask", "waiting", None),
            ("deny", "not run", "operator"),
        ]
        assert (await at.api("GET", f"/audit?since={rows[1]['at']}")).json()["audit"][-1] == rows[1]
        assert (await at.api("GET", "/audit?since=2999-01-01T00:00:00Z")).json() == {"audit": []}
        assert (await at.api("GET", "/audit?limit=1")).json()["audit"] == rows[1:]
        there = "2999-01-01T01:30:00%2B02:00"
        assert (await at.api("GET", f"/audit?since={there}")).json() == {"audit": []}
        for wrong in ("yesterday", "2026-11-21T04:00:00", "0001-01-01T00:00:00%2B12:00", ""):
            assert (await at.api("GET", f"/audit?since={wrong}")).status_code == 400


async def test_an_operator_who_tries_a_call_says_yes_by_it_and_nobody_else_does(tmp_path: Path) -> None:
    async with front(tmp_path) as at:
        body = {"server": "it", "tool": "add", "arguments": {"key": "tried"}}
        assert '"added"' in (await at.api("POST", "/call", body)).text
        assert at.ran == ["add tried"]
        for role in ("viewer", "client", "editor"):
            assert (await at.api("POST", "/call", body, role)).status_code == 403
        rows = (await at.api("GET", "/audit")).json()["audit"]
        assert [(row["principal"], row["decision"], row["outcome"]) for row in rows] == [
            ("operator", "operator", "started"),
            ("operator", "operator", "done"),
        ]


@requirement("GATE-2:at-most-once")
async def test_of_many_answers_in_many_threads_one_counts(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with front(tmp_path) as at:
        ids = [await at.parked(key=str(number)) for number in range(20)]
        headers = {"authorization": f"Bearer {at.token('operator')}"}

        def decide(call_id: str, decision: str) -> tuple[str, str, int]:
            url = f"{at.at.url}/api/v1/approvals/{call_id}"
            answer = httpx2.post(url, json={"decision": decision}, headers=headers, timeout=20)
            return call_id, decision, answer.status_code

        works = [(call_id, decision) for call_id in ids for decision in ("allow", "allow", "deny", "allow")]
        chance.shuffle(works)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(8) as threads:
            answers = [loop.run_in_executor(threads, decide, *work) for work in works]
            results = [asyncio.create_task(at.result(call_id)) for call_id in (*ids, *ids)]
            counted = await asyncio.gather(*answers)
            await asyncio.gather(*results)
        await asyncio.gather(*(at.result(call_id) for call_id in ids))
        assert {status for _, _, status in counted} <= {200, 409}
        for number, call_id in enumerate(ids):
            yes = [status for each, decision, status in counted if (each, decision) == (call_id, "allow")]
            no = [status for each, decision, status in counted if (each, decision) == (call_id, "deny")]
            assert yes.count(200) <= 1
            assert at.ran.count(f"add {number}") == (yes.count(200) if no.count(200) == 0 else 0)
