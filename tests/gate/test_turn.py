"""A client that asks its own user: only where the file and the client allow it; its answer counts like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.gate.approvals import Decision
from reconciler.gate.gate import Principal, Refused
from reconciler.gate.showing import META, MOST_SHOWN
from reconciler.gate.turn import Patience, allows
from reconciler.model.document import Document
from reconciler.sessions.session import RpcError
from tests.gate.desk import CLIENT, SERVERS, Desk
from tests.gate.desk import desk as opened
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:client-asks")]

FORM: Mapping[str, Any] = {"elicitation": {}}
YES = {"action": "accept", "content": {"allow": "yes"}}
DECLINE = {"action": "decline"}
SLOW = Patience(whole=0, tick=0.01, too_quick=-1)
"""No answer comes too quickly."""
QUICK = Patience(whole=0.2, tick=0.01, too_quick=60)
"""Every answer does."""


@dataclass
class Client:
    """A client, with what it declares and what its user answers."""

    answer: dict[str, Any] | Exception | None = None
    capabilities: Mapping[str, Any] = field(default_factory=lambda: FORM)
    log_level: str | None = None
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    withdrawn: bool = False

    @property
    def key(self) -> object:
        return self

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        self.began.set()
        if self.answer is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.withdrawn = True
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or {}

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        raise AssertionError(method)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with anyio.fail_after(20):
        async with opened(tmp_path, patience=SLOW) as made:
            set_via(made, "page", "cli", "client")
            yield made


def set_via(desk: Desk, *ways: str) -> None:
    desk.document = Document({"version": 1, "approvals": {"via": list(ways)}, "mcpServers": SERVERS})


async def call(desk: Desk, client: Client, **arguments: Any) -> dict[str, Any]:
    return await desk.gate.call(CLIENT, "asks", "echo", arguments, caller=client)


async def test_an_accepted_yes_runs_the_call_and_names_the_client_in_the_audit(desk: Desk) -> None:
    client = Client(YES)
    assert await call(desk, client, text="x") == {"content": []}
    assert len(desk.seen) == 1
    rows = await desk.audit_rows.since("", 10)
    assert [(row["decision"], row["who"]) for row in rows][1] == ("allow-once", "an agent (its client)")


async def test_the_user_sees_the_server_the_tool_and_all_arguments_with_nothing_invisible(desk: Desk) -> None:
    client = Client(YES)
    await call(desk, client, path="a\u202eb\u200b", token="hunter2hunter2", many=[1, {"deep": None}])
    [(method, params)] = client.asked
    assert (method, params["mode"]) == ("elicitation/create", "form")
    message = params["message"]
    for part in ('"echo"', '"asks"', '"an agent"', "a\\u202eb\\u200b", '"deep": null', '"token": "***"'):
        assert part in message
    assert message.replace("\n", "").isprintable()
    schema = params["requestedSchema"]
    assert (schema["required"], schema["properties"]["allow"]["enum"]) == (["allow"], ["no", "yes"])


async def test_without_the_word_client_in_the_file_nobody_is_asked(desk: Desk) -> None:
    set_via(desk, "page", "cli")
    client = Client(YES)
    assert (await call(desk, client))["isError"] is True
    assert (client.asked, desk.seen) == ([], [])


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {"url": {}}}, {"elicitation": True}, {"sampling": {}}])
async def test_a_client_that_cannot_show_a_form_is_not_asked(desk: Desk, capabilities: Mapping[str, Any]) -> None:
    client = Client(YES, capabilities)
    assert (await call(desk, client))["isError"] is True
    assert (client.asked, desk.seen) == ([], [])


@pytest.mark.parametrize("capabilities", [{"elicitation": {"form": {}}}, {"elicitation": {"form": {}, "url": {}}}])
async def test_a_client_that_says_that_it_shows_forms_is_asked(desk: Desk, capabilities: Mapping[str, Any]) -> None:
    assert await call(desk, Client(YES, capabilities)) == {"content": []}


@pytest.mark.parametrize("answer", [DECLINE, {"action": "accept", "content": {"allow": "no"}}])
async def test_a_no_that_took_its_time_is_a_no(desk: Desk, answer: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"an agent \(its client\) said no") as refused:
        await call(desk, Client(answer))
    assert (refused.value.code, desk.seen) == ("denied", [])


@pytest.mark.parametrize(
    "answer",
    [
        DECLINE,
        {"action": "accept", "content": {"allow": "no"}},
        {"action": "cancel"},
        {"action": "accept"},
        {"action": "accept", "content": {"allow": True}},
        {"action": "accept", "content": {"allow": 1}},
        {"action": "accept", "content": {"allow": "YES"}},
        {},
        RpcError({"code": -32601, "message": "Method not found"}),
    ],
)
async def test_what_is_neither_yes_nor_a_persons_no_leaves_the_call_waiting(
    desk: Desk, answer: dict[str, Any] | Exception
) -> None:
    desk.gate.patience = QUICK
    result = await call(desk, Client(answer))
    assert result["_meta"][META]["state"] == "waiting"
    assert (len(await desk.waiting()), desk.seen) == (1, [])


async def test_a_defect_in_asking_is_told_and_leaves_the_call_waiting(desk: Desk) -> None:
    desk.gate.patience = QUICK
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    defect = ValueError("a defect")
    assert (await call(desk, Client(defect)))["_meta"][META]["state"] == "waiting"
    assert told == [defect]


async def test_while_its_user_thinks_the_call_waits_and_another_answer_withdraws_the_question(desk: Desk) -> None:
    client = Client()
    waits = asyncio.create_task(call(desk, client))
    await client.began.wait()
    await desk.approvals.decide((await desk.waiting())[0].id, Decision(True, "me"))
    assert await waits == {"content": []}
    assert client.withdrawn


async def test_a_client_that_never_answers_is_asked_for_so_long_and_no_longer(desk: Desk) -> None:
    desk.gate.patience = Patience(whole=0, tick=0.01, asked=0.05)
    client = Client()
    assert (await call(desk, client))["_meta"][META]["state"] == "waiting"
    assert client.withdrawn


async def test_two_callers_of_one_call_are_asked_once(desk: Desk) -> None:
    first, second = Client(), Client()
    one = asyncio.create_task(call(desk, first))
    await first.began.wait()
    assert (await call(desk, second))["_meta"][META]["state"] == "waiting"
    assert second.asked == []
    one.cancel()
    await asyncio.wait({one})
    assert first.withdrawn


async def test_a_yes_that_comes_when_the_file_lets_clients_ask_no_more_does_not_count(desk: Desk) -> None:
    class Late(Client):
        async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
            set_via(desk, "cli")
            return YES

    assert (await call(desk, Late()))["_meta"][META]["state"] == "waiting"
    assert desk.seen == []


async def test_a_client_is_not_asked_about_more_than_it_can_show(desk: Desk) -> None:
    client = Client(YES)
    assert (await call(desk, client, text="x" * MOST_SHOWN))["_meta"][META]["state"] == "waiting"
    assert client.asked == []


async def test_the_users_yes_is_for_this_call_once(desk: Desk) -> None:
    client = Client(YES)
    await call(desk, client, text="x")
    await call(desk, client, text="x")
    assert len(client.asked) == 2
    with pytest.raises(Refused):
        await desk.gate.call(Principal("x", "viewer"), "asks", "echo", {}, caller=client)


def test_a_quick_yes_is_a_yes_and_a_quick_no_is_nothing() -> None:
    assert allows(YES, quick=True) is True
    assert allows(DECLINE, quick=True) is None
    assert allows(DECLINE, quick=False) is False
    assert allows({"action": "cancel"}, quick=False) is None
