"""What changes between two calls with the same head counts for the second one as it does behind a new head."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.gate.turn import Patience
from tests.engine.desk import light
from tests.faces.gateway.served import Client, Handshaken, Served, served
from tests.faces.gateway.test_hot import ERAS, Spy, opened, spy
from tests.requirements import requirement

__all__ = ["spy"]
pytestmark = [pytest.mark.anyio, requirement("GATE-1:short-way")]

FREE: dict[str, Any] = {"defaults": {"requireApproval": False}}
GROUPED: dict[str, Any] = {**FREE, "groups": {"g": {}}}
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "denied": ({"old": light("old", group="g", denyTools=["sleep"])}, GROUPED),
    "not-allowed": ({"old": light("old", group="g", allowTools=["echo"])}, GROUPED),
    "asks": ({"old": light("old", group="g", requireApproval=True)}, GROUPED),
    "this-tool-asks": ({"old": light("old", group="g", tools={"sleep": {"requireApproval": True}})}, GROUPED),
    "all-ask": ({"old": light("old", group="g")}, {**GROUPED, "defaults": {"requireApproval": True}}),
    "disabled": ({"old": light("old", group="g", enabled=False)}, GROUPED),
    "direct": ({"old": light("old", group="g", connection="direct")}, GROUPED),
    "renamed": ({"new": light("old", group="g")}, GROUPED),
    "removed": ({}, GROUPED),
    "group-disabled": ({"old": light("old", group="g")}, {**FREE, "groups": {"g": {"enabled": False}}}),
    "other-group": ({"old": light("old")}, FREE),
}


def shown(answer: Any) -> Any:
    """An answer without what differs between any two calls."""
    text = json.dumps(answer.messages)
    if "waits for approval" in text or "approval" in text:
        return answer.status, "asks"
    message = answer.messages[-1]
    message.pop("id", None)
    message.get("result", {}).pop("requestState", None)
    return answer.status, message


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("path", "change"),
    [
        *(("/mcp", change) for change in CHANGES),
        *(("/mcp/g/g", change) for change in ("group-disabled", "other-group", "disabled", "denied")),
        *(("/mcp/s/old", change) for change in ("direct", "disabled", "removed", "asks")),
    ],
)
async def test_what_was_applied_holds_behind_a_known_head_as_behind_a_new_one(
    tmp_path: Any, spy: Spy, era: str, path: str, change: str
) -> None:
    async with served(tmp_path, {"old": light("old", group="g")}, **GROUPED) as gateway:
        gateway.desk.project.gate.patience = Patience(whole=0, tick=0.01)
        name = "sleep" if path == "/mcp/s/old" else "old__sleep"
        client: Client = gateway.client(era, path)
        if isinstance(client, Handshaken):
            await client.open()
        for _ in range(3):
            assert (await client.call(name, ms=1)).status == 200  # type: ignore[attr-defined]
        assert spy.taken == 2
        servers, settings = CHANGES[change]
        gateway.desk.write(servers, **settings)
        await gateway.desk.apply()
        spy.reset()
        known = await client.call(name, ms=1)  # type: ignore[attr-defined]
        client.headers["x-other"] = "head"
        unknown = await client.call(name, ms=1)  # type: ignore[attr-defined]
        assert shown(known) == shown(unknown)
        if spy.taken:
            assert (path, change) == ("/mcp", "other-group")


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_dies_or_is_replaced_between_two_calls_is_no_other_for_a_known_head(
    tmp_path: Any, spy: Spy, era: str
) -> None:
    async with served(tmp_path, {"old": light("old")}, **FREE) as gateway, opened(gateway, era) as client:
        project = gateway.desk.project
        before = project.serving("old")
        gateway.desk.write({"old": light("old", "--mark", "second")}, **FREE)
        await gateway.desk.apply()
        await gateway.desk.until(lambda: project.serving("old") not in (None, before))
        for _ in range(3):
            answer = await client.call("old__info")
            assert "second" in json.dumps(answer.result)
        assert before is not None
        assert before.in_flight == 0


PLAIN = '{"content": [{"type": "text", "text": "x"}]}'
ANSWERS = {
    "plain": PLAIN,
    "is-error": '{"content": [], "isError": true}',
    "complete": '{"content": [], "resultType": "complete", "_meta": {"a": 1}}',
    "other-kind": '{"content": [], "resultType": ["other"]}',
    "asks": '{"resultType": "input_required", "inputRequests": {"q": {"method": "roots/list", "params": {}}}}',
    "asks-nothing": '{"resultType": "input_required"}',
    "meta-is-none": '{"content": [], "_meta": 7}',
    "links": '{"content": [{"type": "resource_link", "uri": "file:///x", "name": "x"}]}',
    "twice": '{"content": [], "content": []}',
    "nan": '{"content": [], "x": NaN}',
    "large-number": '{"content": [], "x": 1e999}',
    "surrogate": '{"content": [{"type": "text", "text": "\\ud800"}]}',
    "deep": '{"content": ' + "[" * 300 + "]" * 300 + "}",
    "text": '"text"',
    "list": "[1]",
    "null": "null",
    "empty": "{}",
    "big": '{"content": [{"type": "text", "text": "' + "x" * 1_000_000 + '"}]}',
}
LINES = {name: f'{{"jsonrpc": "2.0", "id": $ID, "result": {result}}}' for name, result in ANSWERS.items()} | {
    "error": '{"jsonrpc": "2.0", "id": $ID, "error": {"code": -5, "message": "no", "data": {"x": 1}}}',
    "odd-error": '{"jsonrpc": "2.0", "id": $ID, "error": {"code": "x"}}',
    "both": '{"jsonrpc": "2.0", "id": $ID, "error": {"code": -5, "message": "no"}, "result": {}}',
    "neither": '{"jsonrpc": "2.0", "id": $ID}',
    "id-as-text": '{"jsonrpc": "2.0", "id": "$ID", "result": {"content": []}}',
    "two": f'{{"jsonrpc": "2.0", "id": $ID, "result": {PLAIN}}}\n{{"jsonrpc": "2.0", "id": $ID, "result": {{}}}}',
    "batch": f'[{{"jsonrpc": "2.0", "id": $ID, "result": {PLAIN}}}]',
    "taken-back": '{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": $ID}}',
    "progress": '{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": $ID}}'
    f'\n{{"jsonrpc": "2.0", "id": $ID, "result": {PLAIN}}}',
}


@pytest.mark.parametrize("era", ERAS)
async def test_whatever_a_server_answers_is_the_same_on_both_ways(tmp_path: Any, spy: Spy, era: str) -> None:
    async with served(tmp_path, {"old": light("old")}, **FREE) as gateway:
        client = gateway.client(era)
        if isinstance(client, Handshaken):
            await client.open(capabilities={"roots": {}})
        else:
            client.capabilities = {"roots": {}}
        for name, line in LINES.items():
            if name == "asks" and era == "handshake":
                continue  # the client would have to answer
            await client.call("old__raw", text=LINES["plain"])
            spy.reset()
            known = await client.call("old__raw", text=line)
            assert spy.taken == (name != "big")
            client.headers["x-other"] = name
            unknown = await client.call("old__raw", text=line)
            assert (name, shown(known), known.headers["content-type"]) == (
                name,
                shown(unknown),
                unknown.headers["content-type"],
            )
            del client.headers["x-other"]


async def test_a_session_of_another_token_or_endpoint_is_not_found_behind_any_head(tmp_path: Any, spy: Spy) -> None:
    async with served(tmp_path, {"old": light("old")}, **FREE) as gateway, opened(gateway, "handshake") as client:
        await check_refused(gateway, client, "/mcp/s/old", gateway.token)
        _, other = gateway.create_token("client")
        await check_refused(gateway, client, "/mcp", other)


async def check_refused(gateway: Served, client: Client, path: str, token: str) -> None:
    headers = {**client.headers, "authorization": f"Bearer {token}"}
    for _ in range(3):
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "echo", "arguments": {"text": "x"}},
        }
        assert (await gateway.http.post(path, json=body, headers=headers)).status_code == 404
