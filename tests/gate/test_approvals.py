"""A call that asks waits for a person: what it hears, who may answer, how far an answer goes, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.gate.approvals import ARMED, Decision, NotDecided
from reconciler.gate.asking import MOST_KEPT
from reconciler.gate.gate import Principal, Refused
from reconciler.gate.showing import META, shown_digest
from reconciler.sessions.instance import NotLive
from reconciler.sessions.session import RpcError
from reconciler.store.approval_rows import MOST_WAITING, MOST_WAITING_OF_ONE
from tests.gate.desk import CLIENT, NONE, OPERATOR, Desk
from tests.gate.desk import desk as opened
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:call-waits")]

YES = Decision(True, "me")
NO = Decision(False, "me")
OTHER = Principal("another agent", "client")
HOUR = 3600.0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with anyio.fail_after(20):
        async with opened(tmp_path) as made:
            yield made


def calling(desk: Desk, principal: Principal = CLIENT, server: str = "asks", **arguments: Any) -> asyncio.Task[Any]:
    """A caller that waits."""
    return asyncio.create_task(desk.gate.call(principal, server, "echo", arguments))


async def parked(desk: Desk, principal: Principal = CLIENT, server: str = "asks", **arguments: Any) -> str:
    """The id of a call whose caller went home without an answer."""
    patience, desk.gate.patience = desk.gate.patience, NONE
    result = await desk.gate.call(principal, server, "echo", arguments)
    desk.gate.patience = patience
    call_id: str = result["_meta"][META]["id"]
    return call_id


async def refusal(work: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        await work
    return refused.value.code, str(refused.value)


async def no_decision(work: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(NotDecided) as nothing:
        await work
    return nothing.value.code, str(nothing.value)


# Waiting


async def test_nothing_reaches_the_server_before_the_yes_and_then_the_call_runs_once(desk: Desk) -> None:
    call = calling(desk, text="x")
    row = await desk.first()
    assert (row.server, row.tool, row.arguments, row.principal) == ("asks", "echo", '{"text":"x"}', "an agent")
    assert (desk.seen, desk.approvals.waiting) == ([], 1)
    await desk.approvals.decide(row.id, YES)
    assert await call == {"content": []}
    assert desk.seen == [("asks", {"name": "echo", "arguments": {"text": "x"}}, 60.0)]
    assert (await desk.waiting(), desk.approvals.waiting) == ([], 0)


async def test_after_a_no_the_server_sees_nothing_and_the_caller_reads_who_said_so(desk: Desk) -> None:
    call = calling(desk)
    await desk.approvals.decide((await desk.first()).id, NO)
    assert await refusal(call) == ("denied", 'me said no to this call of "echo" of "asks"; it was not run')
    assert desk.seen == []


async def test_without_an_answer_the_caller_is_told_how_to_come_back(desk: Desk) -> None:
    desk.gate.patience = NONE
    result = await desk.gate.call(CLIENT, "asks", "echo", {"text": "x"})
    (row,) = await desk.waiting()
    text = result["content"][0]["text"]
    assert result["isError"] is True
    assert f"reconciler approve {row.id}" in text
    assert f'`reconciler__result` with {{"id": "{row.id}"}}' in text
    assert result["_meta"][META] == {
        "id": row.id,
        "state": "waiting",
        "expiresAt": row.expires,
        "approve": f"reconciler approve {row.id}",
    }
    assert desk.seen == []


async def test_a_late_yes_runs_nothing_by_itself_and_the_result_is_there_for_whoever_comes_back(desk: Desk) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    assert desk.seen == []
    assert await desk.gate.result(CLIENT, call_id) == {"content": []}
    assert await desk.gate.result(CLIENT, call_id) == {"content": []}
    assert len(desk.seen) == 1


async def test_coming_back_waits_for_the_answer(desk: Desk) -> None:
    call_id = await parked(desk)
    back = asyncio.create_task(desk.gate.result(CLIENT, call_id))
    await checkpoint()
    await desk.approvals.decide(call_id, YES)
    assert await back == {"content": []}


async def test_the_identical_call_joins_and_runs_what_was_allowed_meanwhile(desk: Desk) -> None:
    call_id = await parked(desk, b=1.0, a=[True])
    assert await parked(desk, a=[True], b=1) == call_id
    await desk.approvals.decide(call_id, YES)
    assert await desk.gate.call(CLIENT, "asks", "echo", {"a": [True], "b": 1}) == {"content": []}
    assert len(desk.seen) == 1
    assert await parked(desk, a=[True], b=1) != call_id


async def test_of_two_callers_of_one_call_one_runs_it_and_both_have_the_result(desk: Desk) -> None:
    desk.answering = asyncio.Event()
    calls = [calling(desk), calling(desk)]
    await desk.approvals.decide((await desk.first()).id, YES)
    await desk.running.wait()
    desk.answering.set()
    assert await asyncio.gather(*calls) == [{"content": []}, {"content": []}]
    assert len(desk.seen) == 1


async def test_a_caller_that_goes_away_leaves_its_call_waiting(desk: Desk) -> None:
    call = calling(desk)
    row = await desk.first()
    call.cancel()
    await asyncio.wait({call})
    assert [each.id for each in await desk.waiting()] == [row.id]
    await desk.approvals.decide(row.id, YES)
    assert desk.seen == []
    assert await desk.gate.result(CLIENT, row.id) == {"content": []}


async def test_how_a_call_ended_whose_caller_went_away_nobody_knows_and_it_is_not_run_again(desk: Desk) -> None:
    desk.answering = asyncio.Event()
    first, second = calling(desk), calling(desk)
    row = await desk.first()
    await desk.approvals.decide(row.id, YES)
    await desk.running.wait()
    first.cancel()
    second.cancel()
    await asyncio.wait({first, second})
    code, why = await refusal(desk.gate.result(CLIENT, row.id))
    assert (code, "its caller went away while it ran" in why) == ("unknown-outcome", True)
    assert len(desk.seen) == 1


async def test_progress_only_grows_through_the_wait_and_the_call(desk: Desk) -> None:
    heard: list[Mapping[str, Any]] = []
    told = asyncio.Event()

    def hear(news: Mapping[str, Any]) -> None:
        heard.append(news)
        if len(heard) == 3:
            told.set()

    call = asyncio.create_task(desk.gate.call(CLIENT, "asks", "echo", {}, on_progress=hear))
    row = await desk.first()
    await told.wait()
    await desk.approvals.decide(row.id, YES)
    await call
    steps = [news["progress"] for news in heard]
    assert steps == sorted(set(steps))
    assert heard[0] == {"progress": 1, "message": f"waits for approval: `reconciler approve {row.id}`"}
    assert heard[-1] == {"progress": steps[-2] + 1}


@pytest.mark.parametrize("stranger", [OTHER, OPERATOR, Principal("an agent", "viewer")])
async def test_a_call_is_unknown_to_everybody_else(desk: Desk, stranger: Principal) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    assert await refusal(desk.gate.result(stranger, call_id)) == (
        "unknown-call",
        f"no call {call_id} is known (any more)",
    )
    assert (await refusal(desk.gate.result(CLIENT, "call-none")))[0] == "unknown-call"
    assert desk.seen == []


async def test_a_result_that_is_too_large_is_not_kept_and_its_call_is_not_run_again(desk: Desk) -> None:
    desk.answer = {"content": [{"type": "text", "text": "x" * MOST_KEPT}]}
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    assert await desk.gate.result(CLIENT, call_id) == desk.answer
    again = await desk.gate.result(CLIENT, call_id)
    assert "too large to be kept" in again["content"][0]["text"]
    assert len(desk.seen) == 1


async def test_a_failure_is_kept_as_well(desk: Desk) -> None:
    desk.answer = RpcError({"code": -32000, "message": "the disk is full"})
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    with pytest.raises(RpcError, match="the disk is full"):
        await desk.gate.result(CLIENT, call_id)
    again = await desk.gate.result(CLIENT, call_id)
    assert (again["isError"], "failed: the disk is full" in again["content"][0]["text"]) == (True, True)
    assert len(desk.seen) == 1


async def test_whoever_comes_back_while_it_runs_is_told_to_wait_for_the_result(desk: Desk) -> None:
    desk.answering = asyncio.Event()
    call = calling(desk)
    row = await desk.first()
    await desk.approvals.decide(row.id, YES)
    await desk.running.wait()
    patience, desk.gate.patience = desk.gate.patience, NONE
    result = await desk.gate.result(CLIENT, row.id)
    assert ("still running" in result["content"][0]["text"], result["_meta"][META]["state"]) == (True, "started")
    desk.answering.set()
    desk.gate.patience = patience
    assert await desk.gate.result(CLIENT, row.id) == await call


async def test_a_call_that_needs_nobody_leaves_no_row_anywhere_and_is_counted(desk: Desk) -> None:
    await desk.gate.call(CLIENT, "open", "echo", {})
    rows = await desk.records.run(lambda database: database.execute("select count(*) from calls").fetchone())
    assert (rows, await desk.audit(), desk.gate.free, desk.gate.asked) == ((0,), [], 1, 0)


async def test_an_operator_says_yes_by_trying_it_and_not_by_calling_through_a_client(desk: Desk) -> None:
    assert await desk.gate.call(OPERATOR, "asks", "echo", {}, own_yes=True) == {"content": []}
    assert await desk.audit() == [
        ("me", "asks", "echo", "operator", "started"),
        ("me", "asks", "echo", "operator", "done"),
    ]
    assert await parked(desk, OPERATOR)
    assert await parked(desk, CLIENT)
    desk.gate.patience = NONE
    assert (await desk.gate.call(CLIENT, "asks", "echo", {}, own_yes=True))["isError"] is True
    assert len(desk.seen) == 1


# Answers


@requirement("GATE-2:at-most-once")
async def test_the_first_answer_counts_and_a_later_one_is_told_what_happened(desk: Desk) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    code, said = await no_decision(desk.approvals.decide(call_id, YES))
    assert (code, "it was allowed by me at" in said) == ("too-late", True)
    await desk.gate.result(CLIENT, call_id)
    for late in (YES, NO):
        code, said = await no_decision(desk.approvals.decide(call_id, late))
        assert (code, "it was allowed by me and ran; it was done at" in said) == ("too-late", True)
    assert len(desk.seen) == 1


@requirement("GATE-2:at-most-once")
async def test_a_no_takes_back_a_yes_that_was_not_used_and_no_yes_follows_a_no(desk: Desk) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    await desk.approvals.decide(call_id, NO)
    assert (await refusal(desk.gate.result(CLIENT, call_id)))[0] == "denied"
    code, said = await no_decision(desk.approvals.decide(call_id, YES))
    assert (code, "it was denied by me at" in said) == ("too-late", True)
    assert desk.seen == []


@requirement("GATE-2:at-most-once")
async def test_a_call_that_runs_cannot_be_denied_and_one_that_waits_cannot_be_begun(desk: Desk) -> None:
    waits = await parked(desk, text="waits")
    (row,) = await desk.waiting()
    assert (row.id, await desk.approvals.claim(row)) == (waits, None)
    desk.answering = asyncio.Event()
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    back = asyncio.create_task(desk.gate.result(CLIENT, call_id))
    await desk.running.wait()
    code, said = await no_decision(desk.approvals.decide(call_id, NO))
    assert (code, "has been running since" in said) == ("too-late", True)
    desk.answering.set()
    assert await back == {"content": []}


async def test_an_answer_to_nothing_is_an_unknown_call(desk: Desk) -> None:
    assert await no_decision(desk.approvals.decide("call-none", YES)) == (
        "unknown-call",
        "no call call-none is known (any more)",
    )


@requirement("GATE-2:audit")
async def test_every_step_is_on_record_with_who_decided_and_what_was_shown(desk: Desk) -> None:
    call_id = await parked(desk, text="hunter2hunter2")
    (row,) = await desk.waiting()
    await desk.approvals.decide(call_id, YES)
    await desk.gate.result(CLIENT, call_id)
    rows = await desk.audit_rows.since("", 10)
    assert [(each["decision"], each["outcome"], each["who"], each["call"]) for each in rows] == [
        ("ask", "waiting", None, call_id),
        ("allow-once", "allowed", "me", call_id),
        ("allow", "started", "me", call_id),
        ("allow", "done", None, call_id),
    ]
    assert rows[1]["shown"] == shown_digest(row, desk.hide)
    assert {each["arguments"] for each in rows} == {rows[0]["arguments"]}
    assert "hunter2hunter2" not in str(rows)


async def test_neither_arguments_nor_results_stand_readable_in_the_records(desk: Desk) -> None:
    desk.answer = {"content": [{"type": "text", "text": "a private answer"}]}
    call_id = await parked(desk, text="a private question")
    await desk.approvals.decide(call_id, YES)
    await desk.gate.result(CLIENT, call_id)
    for file in desk.path.parent.glob("records.db*"):
        assert b"private" not in file.read_bytes()


async def test_what_waits_is_said_with_the_command_that_answers_it(desk: Desk) -> None:
    call_id = await parked(desk)
    assert desk.said == [
        ("approval", f"echo waits for approval, called by an agent: reconciler approve {call_id}", "asks")
    ]


# Until when


@requirement("GATE-2:expires")
@pytest.mark.parametrize("clock", ["wall", "monotonic"])
@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("more", [0, 1, HOUR])
async def test_what_either_clock_takes_for_over_never_runs(desk: Desk, clock: str, allowed: bool, more: float) -> None:
    call_id = await parked(desk)
    if allowed:
        await desk.approvals.decide(call_id, YES)
    seconds = (ARMED if allowed else 8 * HOUR) + more
    before = desk.time.wall
    desk.time.pass_by(seconds)
    if clock == "wall":
        desk.time.monotonic -= seconds
    else:
        desk.time.wall = before
    if not allowed:
        assert (await no_decision(desk.approvals.decide(call_id, YES)))[0] == "too-late"
    assert (await refusal(desk.gate.result(CLIENT, call_id)))[0] == "expired"
    assert (desk.seen, desk.approvals.waiting) == ([], 0)
    assert (await desk.audit())[-1][3:] == ("expired", "not run")


@requirement("GATE-2:expires")
async def test_just_before_its_end_a_row_still_holds(desk: Desk) -> None:
    call_id = await parked(desk)
    desk.time.pass_by(8 * HOUR - 1)
    await desk.approvals.decide(call_id, YES)
    desk.time.pass_by(ARMED - 1)
    assert await desk.gate.result(CLIENT, call_id) == {"content": []}


@requirement("GATE-2:expires")
async def test_the_file_says_how_long_a_call_waits(desk: Desk) -> None:
    desk.document = type(desk.document)({**desk.document.written, "approvals": {"keep": "90s"}})
    call_id = await parked(desk)
    desk.time.pass_by(90)
    assert (await refusal(desk.gate.result(CLIENT, call_id)))[0] == "expired"


@requirement("GATE-2:expires")
async def test_a_caller_that_waits_hears_of_the_end(desk: Desk) -> None:
    call = calling(desk)
    await desk.first()
    desk.time.pass_by(8 * HOUR)
    assert (await refusal(call))[0] == "expired"
    assert desk.seen == []


async def test_what_was_answered_is_kept_for_a_day(desk: Desk) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, NO)
    desk.time.pass_by(24 * HOUR - 1)
    assert [row.id for row in await desk.approvals.listed("denied")] == [call_id]
    desk.time.pass_by(2)
    assert await desk.approvals.listed("denied") == []
    assert (await no_decision(desk.approvals.decide(call_id, YES)))[0] == "unknown-call"


# About what


Change = Callable[[Desk], None]


def other_spec(desk: Desk) -> None:
    desk.set_document(asks={"command": "z"})


def other_definition(desk: Desk) -> None:
    desk.definitions = {"echo": "sha256:2"}


def not_listed(desk: Desk) -> None:
    desk.definitions = {}


def removed(desk: Desk) -> None:
    desk.set_document(asks=None)


CHANGES = [
    (other_spec, 'the server "asks" changed since the call was made'),
    (other_definition, 'the definition of "echo" changed since the call was made'),
    (not_listed, 'the definition of "echo" changed since the call was made'),
    (removed, 'the server "asks" changed since the call was made'),
]


@requirement("GATE-2:content-bound")
@pytest.mark.parametrize(("change", "reason"), CHANGES)
async def test_a_yes_to_what_is_no_more_is_refused_with_the_reason(desk: Desk, change: Change, reason: str) -> None:
    call_id = await parked(desk)
    change(desk)
    code, said = await no_decision(desk.approvals.decide(call_id, YES))
    assert (code, reason in said) == ("changed", True)
    assert (await no_decision(desk.approvals.decide(call_id, YES)))[0] == "changed"
    assert (desk.seen, await desk.waiting()) == ([], [])
    assert (await desk.audit())[-1][3:] == ("changed", "not run")


@requirement("GATE-2:content-bound")
@pytest.mark.parametrize(("change", "reason"), CHANGES)
async def test_an_allowed_call_that_changed_before_it_ran_is_refused(desk: Desk, change: Change, reason: str) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    change(desk)
    code, said = await refusal(desk.gate.result(CLIENT, call_id))
    assert (code, reason in said) == ("expired", True)
    assert desk.seen == []


@requirement("GATE-2:content-bound")
@pytest.mark.parametrize("change", [other_spec, other_definition])
async def test_a_caller_that_waits_hears_of_the_change_and_its_next_call_asks_anew(desk: Desk, change: Change) -> None:
    call = calling(desk)
    row = await desk.first()
    change(desk)
    assert (await refusal(call))[0] == "expired"
    assert await parked(desk) != row.id


@requirement("GATE-2:content-bound")
@pytest.mark.parametrize("others", [{"n": True}, {"n": "1"}, {"n": 2}, {"m": 1}, {"n": 1, "m": None}, {"n": [1]}, {}])
async def test_a_yes_is_for_these_arguments_and_no_others(desk: Desk, others: dict[str, Any]) -> None:
    call_id = await parked(desk, n=1)
    await desk.approvals.decide(call_id, YES)
    desk.gate.patience = NONE
    assert (await desk.gate.call(CLIENT, "asks", "echo", others))["isError"] is True
    assert desk.seen == []


@requirement("GATE-2:content-bound")
async def test_a_yes_is_for_this_caller_this_server_and_this_tool(desk: Desk) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    desk.gate.patience = NONE
    desk.definitions |= {"info": "sha256:1"}
    for principal, server, tool in ((OTHER, "asks", "echo"), (CLIENT, "other", "echo"), (CLIENT, "asks", "info")):
        assert (await desk.gate.call(principal, server, tool, {}))["isError"] is True
    assert desk.seen == []


@requirement("GATE-2:content-bound")
async def test_while_nothing_serves_a_yes_is_taken_and_what_comes_back_is_compared(desk: Desk) -> None:
    call_id = await parked(desk)
    desk.down = {"asks"}
    await desk.approvals.decide(call_id, YES)
    with pytest.raises(NotLive):
        await desk.gate.result(CLIENT, call_id)
    desk.down = set()
    other_definition(desk)
    assert (await refusal(desk.gate.result(CLIENT, call_id)))[0] == "expired"
    assert desk.seen == []


@requirement("GATE-2:content-bound")
async def test_what_comes_up_while_an_allowed_call_waits_for_it_is_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await parked(desk)
    desk.down = {"asks"}
    await desk.approvals.decide(call_id, YES)

    async def comes_up(_: str) -> None:
        desk.down = set()
        other_definition(desk)

    monkeypatch.setattr(desk, "ready", comes_up)
    code, said = await refusal(desk.gate.result(CLIENT, call_id))
    assert (code, "changed since the call was made" in said) == ("expired", True)
    assert desk.seen == []


@requirement("GATE-2:content-bound")
@pytest.mark.parametrize(
    "statement",
    ["update calls set tool = 'info'", "update calls set arguments = 'AAAA'", "update calls set principal = 'another'"],
)
async def test_a_record_that_was_altered_never_runs(desk: Desk, statement: str) -> None:
    call_id = await parked(desk, text="x")
    await desk.approvals.decide(call_id, YES)
    await desk.records.run(lambda database: database.execute(statement).rowcount)
    principal = Principal("another", "client") if "principal" in statement else CLIENT
    code, said = await refusal(desk.gate.result(principal, call_id))
    assert (code, "its record was altered" in said) == ("expired", True)
    assert desk.seen == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda desk: desk.set_document(asks={"command": "x", "denyTools": ["echo"]}), "tool-not-offered"),
        (lambda desk: desk.set_document(asks={"command": "x", "enabled": False}), "disabled"),
        (lambda desk: desk.blocked.update(echo="it changed"), "tool-locked"),
    ],
)
async def test_after_the_wait_the_policy_is_asked_again(desk: Desk, change: Change, code: str) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    change(desk)
    assert (await refusal(desk.gate.result(CLIENT, call_id)))[0] == code
    assert desk.seen == []


@requirement("GATE-2:content-bound")
@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (other_spec, "changed before the call was sent"),
        (other_definition, "changed before the call was sent"),
        (lambda desk: desk.blocked.update(echo="it changed"), "is withheld"),
        (lambda desk: desk.down.add("asks"), "ended before the call was sent"),
    ],
)
async def test_what_changes_while_the_start_is_written_down_is_not_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, change: Change, refused: str
) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    claim = desk.approvals.claim

    async def slow(row: Any) -> Any:
        claimed = await claim(row)
        change(desk)
        return claimed

    monkeypatch.setattr(desk.approvals, "claim", slow)
    with pytest.raises((Refused, NotLive), match=refused):
        await desk.gate.result(CLIENT, call_id)
    assert desk.seen == []
    assert (await desk.audit())[-1][3:] == ("allow", "failed")


@requirement("GATE-2:content-bound")
async def test_what_a_session_covered_and_changes_while_it_is_written_down_is_not_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.approvals.decide(await parked(desk), Decision(True, "me", "session"))
    add = desk.audit_rows.add

    async def slow(entry: Any) -> None:
        await add(entry)
        other_definition(desk)

    monkeypatch.setattr(desk.gate._asking, "_audit", slow)
    assert (await refusal(desk.gate.call(CLIENT, "asks", "echo", {"text": "b"})))[0] == "changed"
    assert desk.seen == []


# How far


@requirement("GATE-2:grants")
async def test_a_yes_for_the_session_is_for_one_caller_and_one_tool_as_they_are(desk: Desk) -> None:
    call_id = await parked(desk, text="a")
    await desk.approvals.decide(call_id, Decision(True, "me", "session"))
    desk.gate.patience = NONE
    assert await desk.gate.call(CLIENT, "asks", "echo", {"text": "b"}) == {"content": []}
    assert [row[3:] for row in await desk.audit()][-2:] == [("session", "started"), ("session", "done")]
    assert (await desk.gate.call(OTHER, "asks", "echo", {"text": "b"}))["isError"] is True
    assert (await desk.gate.call(CLIENT, "asks", "info", {}))["isError"] is True
    other_definition(desk)
    assert (await desk.gate.call(CLIENT, "asks", "echo", {"text": "c"}))["isError"] is True
    assert len(desk.seen) == 1


@requirement("GATE-2:grants")
async def test_a_yes_for_the_session_ends_with_the_engine(desk: Desk) -> None:
    await desk.approvals.decide(await parked(desk), Decision(True, "me", "session"))
    desk.start()
    await desk.approvals.start()
    desk.gate.patience = NONE
    assert (await desk.gate.call(CLIENT, "asks", "echo", {"text": "b"}))["isError"] is True


@requirement("GATE-2:grants")
async def test_a_wider_yes_lets_the_calls_through_that_wait_under_it(desk: Desk) -> None:
    stranger = await parked(desk, OTHER, text="c")
    calls = [calling(desk, text=word) for word in "ab"]
    while len(rows := await desk.waiting()) < 3:
        await desk.asked.wait()
    first = next(row for row in rows if row.principal == CLIENT.name)
    await desk.approvals.decide(first.id, Decision(True, "me", "session"))
    assert await asyncio.gather(*calls) == [{"content": []}, {"content": []}]
    assert [row.id for row in await desk.waiting()] == [stranger]


# Too many


@requirement("GATE-2:fails-closed")
async def test_of_one_server_so_many_calls_wait_and_no_more(desk: Desk) -> None:
    for number in range(MOST_WAITING_OF_ONE):
        await parked(desk, number=number)
    assert await parked(desk, number=0)
    code, said = await refusal(desk.gate.call(CLIENT, "asks", "echo", {"number": -1}))
    assert (code, f"{MOST_WAITING_OF_ONE} calls of" in said) == ("too-many-pending", True)
    assert (await desk.audit())[-1][3:] == ("refused", "not run")
    assert await parked(desk, server="other")
    of_it = [row for row in await desk.waiting() if row.server == "asks"]
    await desk.approvals.decide(of_it[0].id, NO)
    assert await parked(desk, number=-1)


@requirement("GATE-2:fails-closed")
async def test_in_all_so_many_calls_wait_and_no_more(desk: Desk) -> None:
    servers = {f"s{number}": {"command": "x"} for number in range(4)}
    desk.set_document(**servers)
    for number in range(MOST_WAITING):
        await parked(desk, server=f"s{number % 4}", number=number)
    assert (await refusal(desk.gate.call(CLIENT, "other", "echo", {})))[0] == "too-many-pending"
    assert desk.seen == []


@requirement("GATE-2:fails-closed")
async def test_what_cannot_be_recorded_does_not_happen(desk: Desk) -> None:
    call_id = await parked(desk)
    allowed = await parked(desk, text="allowed")
    await desk.approvals.decide(allowed, YES)
    await desk.records.run(lambda database: database.execute("drop table audit").rowcount)
    code, said = await no_decision(desk.approvals.decide(call_id, YES))
    assert (code, "it does not count" in said) == ("not-recorded", True)
    assert (await refusal(desk.gate.result(CLIENT, allowed)))[0] == "not-recorded"
    assert (await refusal(desk.gate.call(CLIENT, "asks", "echo", {"text": "new"})))[0] == "not-recorded"
    assert [row.id for row in await desk.waiting()] == [call_id]
    assert desk.seen == []


# Another engine


@requirement("GATE-2:at-most-once")
async def test_a_yes_survives_the_engine_and_what_had_started_is_unknown_and_not_run_again(desk: Desk) -> None:
    waits, allowed, started = [await parked(desk, text=word) for word in ("waits", "allowed", "started")]
    await desk.approvals.decide(allowed, YES)
    row = await desk.approvals.decide(started, YES)
    assert await desk.approvals.claim(row) is not None
    desk.start()
    await desk.approvals.start()
    assert [row.id for row in await desk.waiting()] == [waits]
    assert await desk.gate.result(CLIENT, allowed) == {"content": []}
    code, said = await refusal(desk.gate.result(CLIENT, started))
    assert (code, "the engine ended while it ran" in said) == ("unknown-outcome", True)
    assert [params["arguments"] for _, params, _ in desk.seen] == [{"text": "allowed"}]
    assert ("an agent", "asks", "echo", "unknown", "unknown") in await desk.audit()


@requirement("GATE-2:expires")
@pytest.mark.parametrize(
    ("seconds", "holds"), [(0, True), (ARMED - 1, True), (ARMED, False), (-30, True), (-61, False)]
)
async def test_between_two_engines_a_yes_grows_no_older_and_no_younger(desk: Desk, seconds: float, holds: bool) -> None:
    call_id = await parked(desk)
    await desk.approvals.decide(call_id, YES)
    desk.time.pass_by(seconds)
    desk.start()
    await desk.approvals.start()
    if holds:
        assert await desk.gate.result(CLIENT, call_id) == {"content": []}
    else:
        assert (await refusal(desk.gate.result(CLIENT, call_id)))[0] == "expired"
        assert desk.seen == []


async def test_a_caller_that_goes_away_as_its_call_begins_leaves_the_yes(desk: Desk) -> None:
    call_id = await parked(desk)
    row = await desk.approvals.decide(call_id, YES)
    claiming = asyncio.create_task(desk.approvals.claim(row))
    await checkpoint()
    claiming.cancel()
    await asyncio.wait({claiming})
    assert claiming.cancelled()
    assert await desk.gate.result(CLIENT, call_id) == {"content": []}
    assert len(desk.seen) == 1
