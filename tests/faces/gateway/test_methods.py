"""What becomes of every method that a client may send, at a listening gateway, in both eras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.gate.methods import CLASSES, NOTIFICATIONS
from reconciler.store.tokens import Role
from tests.engine.listing import lay, listed, reached
from tests.faces.gateway.served import Handshaken, Served, Stateless, served
from tests.requirements import requirement

pytestmark = [requirement("GATE-2:every-method"), pytest.mark.anyio]

TOOL = {"name": "echo", "inputSchema": {"type": "object"}}
RESOURCE = {"uri": "note:///1", "name": "note"}
SHOWN: dict[str, Any] = {"tools": [TOOL], "prompts": [{"name": "brief"}], "resources": [RESOURCE]}
PARAMS: dict[str, dict[str, Any]] = {
    "tools/call": {"name": "echo", "arguments": {}},
    "prompts/get": {"name": "brief"},
    "resources/read": {"uri": "note:///1"},
    "resources/subscribe": {"uri": "note:///1"},
    "resources/unsubscribe": {"uri": "note:///1"},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "brief"}, "argument": {"name": "x", "value": "y"}},
    "logging/setLevel": {"level": "info"},
}
UNKNOWN = {
    "handshake": {"server/discover", "subscriptions/listen", "resources/subscribe"},
    "stateless": {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"},
}
"""Methods that the other era has and this one does not, and following what this server never tells of."""
ANSWERED = {"tools/call", "prompts/get", "resources/read", "completion/complete"}
"""What a server is asked as it comes."""
NOT_FOUND = -32601


async def opened(gateway: Served, era: str, token: str | None = None) -> Handshaken | Stateless:
    if era == "stateless":
        return gateway.stateless("/mcp/s/s", token)
    client = gateway.handshaken("/mcp/s/s", token)
    await client.open()
    return client


@pytest.mark.parametrize("era", UNKNOWN)
async def test_what_is_classed_reaches_its_server_and_nothing_else_does(tmp_path: Path, era: str) -> None:
    lay(tmp_path, "s", **SHOWN)
    async with served(tmp_path, {"s": listed(tmp_path, "s")}, defaults={"requireApproval": False}) as gateway:
        client = await opened(gateway, era)
        for method, kind in [*CLASSES.items(), ("vendor/x", "refused"), ("sampling/createMessage", "refused")]:
            if method == "subscriptions/listen" and era == "stateless":
                continue  # it is answered with a stream that does not end
            before = len(reached(tmp_path, "s"))
            last = (await client.ask(method, **PARAMS.get(method, {}))).last
            unknown = last.get("error", {}).get("code") == NOT_FOUND
            assert unknown == (kind == "refused" or method in UNKNOWN[era]), (method, last)
            arrived = [line.partition(" ")[0] for line in reached(tmp_path, "s")[before:]]
            assert arrived == ([method] if method in ANSWERED else []), method


@requirement("GATE-1:roles")
@pytest.mark.parametrize("role", ["viewer", "client", "editor", "operator"])
@pytest.mark.parametrize("era", UNKNOWN)
async def test_who_may_look_reaches_no_server_and_every_other_role_does(tmp_path: Path, era: str, role: Role) -> None:
    lay(tmp_path, "s", **SHOWN)
    async with served(tmp_path, {"s": listed(tmp_path, "s")}, defaults={"requireApproval": False}) as gateway:
        client = await opened(gateway, era, gateway.create_token(role)[1])
        answers = {
            method: (await client.ask(method, **PARAMS.get(method, {}))).last
            for method, kind in CLASSES.items()
            if kind in ("call", "forward") and method not in UNKNOWN[era]
        }
        assert answers.keys() >= ANSWERED
        refused = {method for method, answer in answers.items() if "not-allowed" in json.dumps(answer)}
        assert refused == (ANSWERED if role == "viewer" else set())
        assert len(reached(tmp_path, "s")) == (0 if role == "viewer" else len(ANSWERED))
        assert len((await client.ask("tools/list")).result["tools"]) == 1


async def test_no_notification_of_a_client_is_sent_on(tmp_path: Path) -> None:
    lay(tmp_path, "s", **SHOWN)
    async with served(tmp_path, {"s": listed(tmp_path, "s")}, defaults={"requireApproval": False}) as gateway:
        client = await opened(gateway, "handshake")
        for method in (*NOTIFICATIONS, "tools/call", "notifications/vendor"):
            assert (await client.tell(method, requestId=77, progressToken=1, progress=1)).status == 202
        assert "result" in (await client.call("echo")).last
        assert reached(tmp_path, "s") == ["tools/call echo"]
