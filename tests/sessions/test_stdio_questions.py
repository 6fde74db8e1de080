"""Questions of real processes, and what a stateless one is told of the client that a request is made for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from reconciler.sessions.session import CLIENT_CAPABILITIES, Session
from tests.requirements import requirement
from tests.sessions.asking import Client
from tests.sessions.rigged import call, nothing_left, opened

pytestmark = [pytest.mark.anyio, requirement("GATE-1:questions", "GATE-1:attribution")]


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    with anyio.fail_after(30):
        async with nothing_left():
            yield


async def ask(session: Session, caller: Client | None, question: str = "?") -> Any:
    """What the server heard from whoever it asked."""
    params = {"name": "ask", "arguments": {"text": question}}
    result = await session.request("tools/call", params, timeout=5, caller=caller)
    return result["content"][0]["text"]


async def test_a_server_hears_the_client_whose_call_it_asks_about() -> None:
    ada = Client("ada", {"action": "accept", "content": {"name": "Ada"}})
    async with opened("light") as session:
        assert '"name": "Ada"' in await ask(session, ada, "your name?")
    assert ada.asked[0][1]["message"] == "your name?"


async def test_a_call_that_nobody_made_is_declined() -> None:
    async with opened("light") as session:
        assert '"decline"' in await ask(session, None)


async def test_clients_of_a_server_that_asks_are_served_one_after_the_other() -> None:
    clients = [Client(f"c{number}", {"action": "accept", "content": {"n": number}}) for number in range(8)]
    async with opened("light") as session:
        first = await asyncio.gather(*(ask(session, client) for client in clients))
        then = await asyncio.gather(*(ask(session, client) for client in clients))
    assert all('"decline"' in said for said in first)
    assert all(f'"n": {number}' in said for number, said in enumerate(then))
    assert [len(client.asked) for client in clients] == [1] * 8


async def test_a_stateless_server_is_told_what_the_client_declared() -> None:
    ada = Client("ada", capabilities={"roots": {}}, log_level="error")
    async with opened("stateless") as session:
        params = {"name": "echo", "arguments": {"text": "x"}}
        result = await session.request("tools/call", params, timeout=5, caller=ada)
        assert '"io.modelcontextprotocol/clientCapabilities": {"roots": {}}' in result["content"][0]["text"]
        assert '"io.modelcontextprotocol/logLevel": "error"' in result["content"][0]["text"]
        ours = await call(session, "echo", text="x")
        assert ours["meta"]["io.modelcontextprotocol/clientCapabilities"] == CLIENT_CAPABILITIES
        assert "io.modelcontextprotocol/logLevel" not in ours["meta"]
