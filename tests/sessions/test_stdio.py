"""Sessions with real processes: how they start, what they see, how their end is noticed, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from reconciler.model.secret import SecretRef, parse_template
from reconciler.sessions.limits import KIB, MIB, Limits
from reconciler.sessions.session import (
    CLIENT_CAPABILITIES,
    STARTED,
    DeadlineExceeded,
    RpcError,
    SessionError,
    StartFailed,
    Unresolved,
)
from reconciler.sessions.stdio import sweep
from tests.requirements import requirement
from tests.rig.starting import processes_owned_by, zombies_below_us
from tests.sessions.rigged import COOKIE, call, is_running, nothing_left, opened
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("CFG-3:stdio")]

TEMPLATE = parse_template
RAW_ANSWER = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"over"}]}}'


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    with anyio.fail_after(30):
        async with nothing_left():
            yield


# Start and end


@requirement("LIVE-1:both-eras")
async def test_a_server_of_the_handshake_era_is_greeted_and_answers() -> None:
    async with opened("light", "--name", "clock", "--version", "7") as session:
        assert session.handshake.era == "handshake"
        assert session.handshake.protocol_version == "2025-11-25"
        assert session.handshake.server_info == {"name": "clock", "version": "7"}
        assert session.handshake.capabilities["vendorCapability"] == {"z": 1}
        assert await call(session, "echo", text="grüß 😀 dich") == "grüß 😀 dich"


@requirement("LIVE-1:both-eras")
async def test_a_server_of_the_stateless_era_gets_its_envelope_with_every_request() -> None:
    async with opened("stateless") as session:
        assert session.handshake.era == "stateless"
        assert session.handshake.protocol_version == "2026-07-28"
        assert session.handshake.server_info == {"name": "stateless", "version": "1"}
        assert session.handshake.instructions == "Be brief."
        answer = await call(session, "echo", text="hi")
        assert answer["meta"]["io.modelcontextprotocol/clientCapabilities"] == CLIENT_CAPABILITIES
        assert answer["meta"]["io.modelcontextprotocol/clientInfo"]["name"] == "mcp-reconciler"


@pytest.mark.parametrize("script", ["light", "stateless"])
@requirement("LIVE-1:both-eras")
async def test_a_known_era_is_only_a_hint_for_the_stateless_one(script: str) -> None:
    async with opened(script, era="stateless") as session:
        assert session.handshake.era == ("handshake" if script == "light" else "stateless")


@requirement("LIVE-1:both-eras")
async def test_an_old_server_that_ignores_the_probe_is_greeted_all_the_same() -> None:
    async with opened("evil", "mute", start=0.9) as session:
        assert session.handshake.era == "handshake"


@requirement("LIVE-1:both-eras")
async def test_an_old_server_that_dies_of_the_probe_says_so_and_starts_without_it() -> None:
    with pytest.raises(StartFailed) as failure:
        async with opened("evil", "discover"):
            pass
    assert failure.value.code == "exited-on-probe"
    assert failure.value.end.code == 3
    async with opened("evil", "discover", era="handshake") as session:
        assert await call(session, "echo", text="alive") == "alive"


async def test_a_server_without_a_common_version_is_a_terminal_stranger() -> None:
    with pytest.raises(StartFailed, match="1999-01-01") as failure:
        async with opened("evil", "stranger"):
            pass
    assert (failure.value.code, failure.value.terminal) == ("protocol-version", True)


async def test_leaving_closes_the_session_for_everybody() -> None:
    async with opened("light") as session:
        waiting = asyncio.create_task(call(session, "sleep", ms=60_000))
        ended = asyncio.create_task(session.ended())
        await call(session, "echo", text="sent after the call that waits")
    with pytest.raises(SessionError, match="closed"):
        await waiting
    assert (await ended).reason == "The session was closed."
    with pytest.raises(SessionError) as failure:
        await call(session, "echo", text="too late")
    assert failure.value.code == "closed"


async def test_a_polite_server_is_gone_long_before_it_is_killed() -> None:
    async with opened("light") as session:
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert not is_running(session.pid)


@requirement("LIVE-2:no-orphans")
@pytest.mark.parametrize("mode", ["eof", "term", "child", "inherit", "daemon"])
async def test_no_process_outlives_its_session(mode: str) -> None:
    async with opened("evil", mode) as session:
        family = [session.pid, *await call(session, "family")]
        assert all(is_running(pid) for pid in family)
        assert len(processes_owned_by(COOKIE)) == len(family)
    assert not any(is_running(pid) for pid in family)


@requirement("LIVE-2:no-orphans")
async def test_no_process_outlives_a_cancelled_owner() -> None:
    async with anyio.create_task_group() as group:

        async def own(*, task_status: anyio.abc.TaskStatus[int]) -> None:
            async with opened("evil", "daemon") as session:
                task_status.started(session.pid)
                await session.ended()

        pid = await group.start(own)
        group.cancel_scope.cancel()
    assert not is_running(pid)


@requirement("LIVE-2:no-orphans")
async def test_no_process_outlives_a_start_that_is_cancelled() -> None:
    with anyio.move_on_after(0.3) as scope:
        async with opened("evil", "hang"):
            pass
    assert scope.cancelled_caught


@requirement("LIVE-2:no-orphans", "LIVE-2:no-zombies")
async def test_orphans_that_die_while_their_server_lives_are_collected() -> None:
    dead = zombies_below_us()
    async with opened("evil", "forks", "30") as session:
        for _ in range(3):
            await call(session, "fork")
            await come_true(lambda: zombies_below_us(dead) == [], 10)
        assert is_running(session.pid)


@requirement("LIVE-2:no-zombies")
async def test_the_status_of_what_others_here_started_is_left_to_them() -> None:
    dead = zombies_below_us()
    async with opened("evil", "forks", "20") as session:
        theirs = subprocess.Popen(["sh", "-c", "exit 7"])
        waited_for = await anyio.open_process(["sh", "-c", "read line; exit 8"])
        await come_true(lambda: theirs.pid in zombies_below_us(), 10)
        await call(session, "fork")
        await come_true(lambda: zombies_below_us(dead) == [theirs.pid], 10)
        assert theirs.wait() == 7
        assert waited_for.stdin
        await waited_for.stdin.send(b"\n")
        assert await waited_for.wait() == 8
        await waited_for.aclose()


@requirement("LIVE-2:no-orphans")
async def test_a_hundred_servers_come_and_go_without_a_trace() -> None:
    async def live_once() -> None:
        async with opened("light") as session:
            await call(session, "echo", text="hi")

    for _ in range(10):
        await asyncio.gather(*(live_once() for _ in range(10)))


# What goes wrong at the start


@pytest.mark.parametrize("command", ["no-such-command", "a && b", "$(reboot)"])
async def test_a_missing_command_is_named_with_the_way_out(command: str) -> None:
    with pytest.raises(SessionError) as failure:
        async with opened(
            "light", transport={"command": TEMPLATE(command.replace("$", "$$"))}, environment={"PATH": "/one:/two"}
        ):
            pass
    assert str(failure.value) == f'"{command}" was not found in PATH; install it, or write its full path.'
    assert (failure.value.code, failure.value.terminal) == ("command-not-found", True)


async def test_a_missing_file_and_one_that_is_not_executable_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo")
    for command, code in [("./absent", "command-not-found"), ("./script", "not-executable"), (".", "not-executable")]:
        with pytest.raises(SessionError) as failure:
            async with opened(
                "light",
                transport={"command": TEMPLATE(command)},
                workspace=str(tmp_path),
                environment={"PATH": str(tmp_path.parent)},
            ):
                pass
        assert (failure.value.code, failure.value.terminal) == (code, True), command


async def test_a_script_whose_interpreter_is_missing_is_terminal(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(SessionError) as failure:
        async with opened("light", transport={"command": TEMPLATE("./script")}, workspace=str(tmp_path)):
            pass
    assert failure.value.terminal


async def test_a_directory_that_does_not_exist_is_named() -> None:
    with pytest.raises(SessionError, match="/nowhere does not exist") as failure:
        async with opened("light", transport={"cwd": TEMPLATE("/nowhere")}):
            pass
    assert failure.value.terminal


async def test_what_the_server_said_last_is_in_the_reason() -> None:
    with pytest.raises(StartFailed, match=r"exited with status 4; its last words: the key is missing") as failure:
        async with opened("evil", "exit", "4"):
            pass
    assert failure.value.end.code == 4
    assert failure.value.end.stderr == ("first words", "the key is missing")
    assert not failure.value.terminal


async def test_a_status_that_means_not_found_is_terminal() -> None:
    with pytest.raises(StartFailed) as failure:
        async with opened("evil", "exit", "127"):
            pass
    assert (failure.value.code, failure.value.terminal) == ("command-not-found", True)


async def test_a_mute_server_fails_at_the_start_deadline_and_its_neighbour_does_not_wait() -> None:
    async def start_mute() -> float:
        began = time.monotonic()
        with pytest.raises(StartFailed, match=r"within 0\.6 s") as failure:
            async with opened("evil", "hang", start=0.6):
                pass
        assert failure.value.code == "deadline"
        return time.monotonic() - began

    mute = asyncio.create_task(start_mute())
    async with opened("light") as session:
        await call(session, "echo", text="hi")
        assert not mute.done()
    assert 0.6 <= await mute < 1.6


# What the child sees


async def test_the_child_sees_the_basic_names_and_what_the_file_says_and_nothing_else() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/x",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "SHELL": "() { :; }",
        "SECRET_OF_OURS": "x",
        "RECONCILER_OWNER": "somebody:else",
        "GIVEN": "on",
        "LD_PRELOAD": "",
        "PYTHONPATH": "/x",
    }
    transport = {"forward": ("GIVEN", "ABSENT"), "env": {"MADE": TEMPLATE("a=${env:GIVEN};$$HOME")}}
    async with opened(
        "light", transport=transport, environment=environment, resolve=lambda ref: environment[ref.name]
    ) as session:
        seen = (await call(session, "info"))["env"]
        assert session.missing == ("ABSENT",)
    wanted = {"PATH", "HOME", "TERM", "LANG", "LC_ALL", "HTTPS_PROXY", "no_proxy", "GIVEN"}
    expected = {name: environment[name] for name in wanted} | {
        "MADE": "a=on;$HOME",
        "RECONCILER_OWNER": f"{COOKIE}:ins-1",
    }
    assert {name: value for name, value in seen.items() if name != "LC_CTYPE"} == expected


async def test_arguments_arrive_as_they_are() -> None:
    words = ("a b", "$HOME", "`id`", "$(id)", "; exit", "*", "", "ünï", "-x", "'\"")
    async with opened("light", "--name", "x", "--mark=" + "|".join(words)) as session:
        assert (await call(session, "info"))["mark"] == "|".join(words)


async def test_the_child_has_three_descriptors_its_own_session_and_plain_signals(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    (tmp_path / "sub").mkdir()
    async with opened("light", transport={"cwd": TEMPLATE("sub")}, workspace=str(tmp_path)) as session:
        facts = await call(session, "info")
    os.close(read)
    os.close(write)
    assert facts["fds"] == [0, 1, 2]
    assert facts["session"] == facts["group"] == facts["pid"] == session.pid
    assert facts["cwd"] == str(tmp_path / "sub")
    assert int(facts["blocked"], 16) == 0
    assert int(facts["ignored"], 16) & ~_mask(signal.SIGPIPE, signal.SIGXFSZ) == 0, "Python itself ignores those two"


@pytest.mark.parametrize("mask", [0o022, 0o077])
async def test_the_child_has_the_umask_that_we_were_started_with(mask: int) -> None:
    before = os.umask(mask)
    try:
        async with opened("light") as session:
            assert (await call(session, "info"))["umask"] == mask
    finally:
        os.umask(before)


@requirement("LIVE-2:descriptors")
@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"], ids=["with-prlimit", "without-prlimit"])
async def test_our_limit_of_open_files_is_raised_and_the_child_gets_the_one_that_we_were_given(path: str) -> None:
    script = f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (99, 199)){LIMITED}"
    done = await anyio.run_process([sys.executable, "-c", script], env={**os.environ, "PATH": path})
    assert json.loads(done.stdout) == {"before": [99, 199], "ours": [199, 199], "theirs": [99, 199]}


LIMITED = """
import asyncio, json
from reconciler.sessions.descriptors import raise_limit
from tests.sessions.rigged import call, opened
async def main():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()
    raise_limit()
    async with opened("light") as session:
        theirs = (await call(session, "info"))["files"]
    print(json.dumps({"before": before, "ours": resource.getrlimit(resource.RLIMIT_NOFILE), "theirs": theirs}))
asyncio.run(main())
"""


def _mask(*numbers: signal.Signals) -> int:
    return sum(1 << (number - 1) for number in numbers)


@pytest.mark.parametrize(
    "transport", [{"env": {"A=B": TEMPLATE("x")}}, {"env": {"A": TEMPLATE("x\0y")}}, {"command": TEMPLATE("")}]
)
async def test_what_cannot_be_handed_to_a_process_is_refused(transport: Mapping[str, Any]) -> None:
    with pytest.raises(SessionError) as failure:
        async with opened("light", transport=transport):
            pass
    assert failure.value.terminal
    assert "x" not in str(failure.value)


async def test_a_reference_without_a_value_fails_before_anything_runs() -> None:
    with pytest.raises(Unresolved, match="TOKEN"):
        async with opened("light", transport={"env": {"A": TEMPLATE("${env:TOKEN}")}}):
            pass


async def test_the_workspace_folder_needs_nobody_to_resolve_it(tmp_path: Path) -> None:
    async with opened(
        "light", "--mark", "x", transport={"env": {"A": TEMPLATE("${workspaceFolder}/x")}}, workspace=str(tmp_path)
    ) as session:
        assert (await call(session, "info"))["env"]["A"] == f"{tmp_path}/x"


# Death


@requirement("LIVE-2:death-noticed")
@pytest.mark.parametrize("mode", ["ok", "child", "inherit"])
async def test_a_killed_server_fails_its_calls_at_once(mode: str) -> None:
    """Once of five times: the machine may be busy."""
    took: list[float] = []
    while len(took) < 5 and min(took, default=1) > 0.05:
        took.append(await _from_kill_to_failure(mode))
    assert min(took) <= 0.05


async def _from_kill_to_failure(mode: str) -> float:
    async with opened("evil", mode) as session:
        waiting = asyncio.create_task(call(session, "sleep", ms=60_000, timeout=60))
        await call(session, "echo", text="sent after the call that waits")
        began = time.monotonic()
        os.kill(session.pid, signal.SIGKILL)
        with pytest.raises(SessionError, match="ended by SIGKILL"):
            await waiting
        took = time.monotonic() - began
        end = await session.ended()
        assert (end.code, end.terminal) == (-signal.SIGKILL, False)
        return took


@requirement("LIVE-2:death-noticed")
@pytest.mark.parametrize("mode", ["ok", "inherit"])
async def test_the_last_answer_counts_although_the_server_is_dead_by_then(mode: str) -> None:
    async with opened("evil", mode) as session:
        both = [call(session, "blob", size=300_000), call(session, "crash", status=7)]
        blob, crash = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(blob, str) and len(blob) == 300_000
        assert isinstance(crash, SessionError)
        assert str(crash) == "It exited with status 7."


@requirement("LIVE-2:death-noticed")
async def test_a_grandchild_that_fills_standard_error_does_not_keep_a_death_back() -> None:
    async with opened("evil", "yelling") as session:
        os.kill(session.pid, signal.SIGKILL)
        assert (await session.ended()).stderr[-1] == "y"


@requirement("LIVE-2:death-noticed")
async def test_a_server_that_closes_its_output_is_over() -> None:
    async with opened("evil", "silent") as session:
        with pytest.raises(SessionError, match="closed its output"):
            await call(session, "echo", text="x", timeout=20)
        assert (await session.ended()).code is None
        assert is_running(session.pid)


@requirement("LIVE-2:no-orphans", "LIVE-2:death-noticed")
@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"], ids=["with-setpriv", "without-setpriv"])
async def test_our_own_sudden_death_takes_the_server_along_and_a_sweep_the_rest(path: str) -> None:
    cookie = f"sudden-{os.getpid()}"
    environment = {**os.environ, "PATH": path}
    engine = await anyio.open_process([sys.executable, "-c", ENGINE, cookie], cwd=Path.cwd(), env=environment)
    assert engine.stdout
    leader, orphan = map(int, (await BufferedByteReceiveStream(engine.stdout).receive_until(b"\n", 100)).split())
    async with asyncio.timeout(5):
        engine.kill()
        await engine.wait()
        await _gone(leader)
    assert is_running(orphan)
    assert sweep("another-cookie:") == []
    assert sweep(f"{cookie}:") == [orphan]
    assert not is_running(orphan)
    assert sweep(f"{cookie}:") == []
    await engine.aclose()


@requirement("LIVE-2:death-noticed", "LIVE-2:no-orphans")
async def test_a_death_is_noticed_where_the_kernel_hands_out_no_process_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    async with opened("evil", "daemon") as session:
        os.kill(session.pid, signal.SIGKILL)
        assert (await session.ended()).code == -signal.SIGKILL


ENGINE = """
import asyncio, sys
from tests.sessions.rigged import call, opened
async def main():
    async with opened("evil", "daemon", cookie=sys.argv[1]) as session:
        print(session.pid, *await call(session, "family"), flush=True)
        await session.ended()
asyncio.run(main())
"""


async def _gone(pid: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    await anyio.wait_readable(held)
    os.close(held)


@requirement("LIVE-2:no-orphans")
async def test_a_sweep_spares_us_and_our_ancestors() -> None:
    words = f"import sys; from reconciler.sessions.stdio import sweep; print(sweep('{COOKIE}'))"
    owned = {**os.environ, "RECONCILER_OWNER": f"{COOKIE}:outer"}
    command = ["sh", "-c", f'"{sys.executable}" -c "{words}"; echo alive']
    done = await anyio.run_process(command, env=owned)
    assert done.stdout.split() == [b"[]", b"alive"]


# Noise and floods


async def test_lines_that_are_no_json_rpc_are_skipped_and_counted() -> None:
    async with opened("evil", "noise") as session:
        assert await call(session, "echo", text="good ones are served") == "good ones are served"
        assert session.skipped == 7
        assert len(session.bad_lines) == 3
        assert session.bad_lines[0] == "\ufffd\ufffd garbage"


async def test_a_hundred_bad_lines_in_a_row_end_the_session_and_one_less_does_not() -> None:
    async with opened("evil", "garbage", "99") as session:
        assert session.skipped == 99
    with pytest.raises(StartFailed, match=r"100 lines in a row.*a log line") as failure:
        async with opened("evil", "garbage", "100"):
            pass
    assert failure.value.code == "bad-output"


async def test_a_line_as_long_as_allowed_arrives_and_one_more_byte_ends_the_session() -> None:
    async with opened("light", limits=Limits(line=100_000)) as session:
        size = 100_000 - len('{"jsonrpc": "2.0", "id": 3, "result": {"content": [{"type": "text", "text": ""}]}}')
        assert len(await call(session, "blob", size=size)) == size
        with pytest.raises(SessionError, match="more than 100000 bytes") as failure:
            await call(session, "blob", size=size + 1)
        assert failure.value.code == "message-too-large"


async def test_a_flood_without_a_line_end_is_cut_and_the_neighbour_is_served() -> None:
    async with opened("light") as neighbour:
        flood = asyncio.create_task(_fails("evil", "flood", str(64 * MIB)))
        served = 0
        while not flood.done():
            assert await call(neighbour, "echo", text="hi") == "hi"
            served += 1
        failure = await flood
        assert failure.code == "message-too-large"
        assert isinstance(failure, StartFailed)
        assert failure.end.stderr == (), "what it says of the pipe that we closed is no reason"
        assert served > 0


async def _fails(*arguments: str) -> SessionError:
    with pytest.raises(SessionError) as failure:
        async with opened(*arguments):
            pass
    return failure.value


@pytest.mark.parametrize(
    "message",
    [
        {"method": "notifications/message", "params": {"level": "info", "data": "again"}},
        {"method": "notifications/progress", "params": {"progressToken": "nobody's", "progress": 1}},
        {"id": "ping", "method": "ping"},
        {"id": 987_654, "result": {}},
    ],
    ids=["log", "progress", "ping", "answer"],
)
async def test_a_flood_of_messages_is_known_as_one_until_a_little_after_its_end(
    message: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.sessions.streams.REMEMBERED", 0.3)
    line = json.dumps({"jsonrpc": "2.0", **message}) + "\n"
    async with opened("light", limits=Limits(unasked_per_second=200)) as session:
        await call(session, "raw", text=line * 50 + RAW_ANSWER)
        assert not session.flooding
        flood = asyncio.create_task(call(session, "raw", text=line * 400 + RAW_ANSWER, timeout=20))
        await come_true(lambda: session.flooding, 10)
        assert await flood == "over"
        await come_true(lambda: not session.flooding, 10)


async def test_a_storm_of_notifications_leaves_the_neighbour_in_peace() -> None:
    heard = 0

    def listen(method: str, _: Mapping[str, Any]) -> None:
        nonlocal heard
        heard += method == "notifications/tools/list_changed"

    before = time.monotonic()
    async with opened("light") as neighbour, opened("evil", "storm", on_notification=listen) as session:
        began = time.monotonic()
        for _ in range(200):
            await call(neighbour, "echo", text="hi")
        assert time.monotonic() - began < 2
        assert await call(session, "echo", text="served too") == "served too"
        assert 0 < heard < 1500 + 1100 * (time.monotonic() - before)


@pytest.mark.parametrize(
    "answer",
    [
        '{"jsonrpc":"2.0","id":$ID,"result":{"text":"\\ud800"}}',
        '{"jsonrpc":"2.0","id":$ID,"result":{"n":' + "9" * 5000 + "}}",
        '{"jsonrpc":"2.0","id":$ID,"result":{"n":1e999}}',
        '{"jsonrpc":"2.0","id":$ID,"result":{"n":NaN}}',
        '{"jsonrpc":"2.0","id":$ID,"result":' + '{"a":' * 300 + "1" + "}" * 300 + "}",
        '{"jsonrpc":"2.0","id":$ID,"result":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"result":{"broken":tru},"jsonrpc":"2.0","id":$ID}',
        '{"jsonrpc":"2.0","id":$ID,"result":{"cut":',
        '{"jsonrpc":"2.0","id":$ID,"result":{},"error":{"code":1,"message":"m"}}',
        '{"jsonrpc":"2.0","id":$ID}',
        '{"jsonrpc":"2.0","id":$ID,"result":[1]}',
        '{"jsonrpc":"2.0","id":$ID,"error":"text"}',
        '{"jsonrpc":"2.0","id":$ID,"result":{"text":"\udcff"}}',
    ],
    ids=lambda answer: answer[28:60],
)
async def test_an_answer_that_cannot_be_used_fails_its_call_at_once(answer: str) -> None:
    async with opened("light") as session:
        with pytest.raises(RpcError, match="answer cannot be used"):
            await call(session, "raw", text=answer)
        assert await call(session, "echo", text="the session lives") == "the session lives"


async def test_a_server_that_screams_on_standard_error_is_served_and_its_end_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "evil.log"
    async with opened("evil", "stderr", str(20 * MIB), log_path=log) as session:
        assert await call(session, "echo", text="hi") == "hi"
        while session.stderr_tail(1) != ("the last line",):
            await call(session, "echo", text="hi")
        assert sum(len(line) + 1 for line in session.stderr_tail(10_000)) <= 64 * KIB
    assert log.stat().st_size <= MIB
    assert log.stat().st_mode & 0o777 == 0o600


async def test_secrets_do_not_show_in_what_the_server_prints(tmp_path: Path) -> None:
    values = {"TOKEN": "s3cret-token-value", "KEY": "-----BEGIN-----\nline-two-of-it\n"}
    transport = {"env": {"A": TEMPLATE("${env:TOKEN}"), "B": TEMPLATE("literal-secret")}, "forward": ("KEY",)}
    log = tmp_path / "light.log"

    def resolve(reference: SecretRef) -> str:
        return values[reference.name]

    async with opened(
        "light", transport=transport, environment={**os.environ, **values}, resolve=resolve, log_path=log
    ) as session:
        for words in ("token s3cret-token-value", "literal-secret", "line-two-of-it", "plain words"):
            await call(session, "words", text=words)
        assert session.stderr_tail() == ("token ***", "***", "***", "plain words")
        with pytest.raises(DeadlineExceeded):
            await call(session, "raw", text="token s3cret-token-value", timeout=0.05)
        assert session.bad_lines == ("token ***",)
    assert log.read_text() == "token ***\n***\n***\nplain words\n"


# Changed lists


@pytest.mark.parametrize("script", ["light", "stateless"])
@requirement("LIVE-1:both-eras")
async def test_a_changed_list_is_heard_of_in_both_eras(script: str) -> None:
    heard = asyncio.Queue[str]()
    async with opened(script, on_notification=lambda method, _: heard.put_nowait(method)) as session:
        if script == "stateless":
            while (await call(session, "streams"))["open"] == 0:
                pass
        await call(session, "change")
        with anyio.fail_after(5):
            assert [await heard.get() for _ in range(2)] == [STARTED, "notifications/tools/list_changed"]


# A server that does not read


async def test_a_server_that_does_not_read_fails_its_calls_at_their_deadline_and_nothing_else() -> None:
    async with opened("light") as neighbour, opened("evil", "deaf") as session:
        calls = [asyncio.create_task(call(session, "echo", text="x" * MIB, timeout=0.5)) for _ in range(64)]
        began = time.monotonic()
        await call(neighbour, "echo", text="x" * MIB)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - began < 3
        assert {type(outcome) for outcome in outcomes} == {DeadlineExceeded}
        await call(neighbour, "echo", text="hi")


async def test_a_request_larger_than_allowed_fails_alone() -> None:
    async with opened("light", limits=Limits(outgoing_line=1000)) as session:
        with pytest.raises(SessionError, match="1000 are allowed") as failure:
            await call(session, "echo", text="x" * 1000)
        assert failure.value.code == "message-too-large"
        assert await call(session, "echo", text="hi") == "hi"


async def test_large_arguments_and_answers_pass_whole() -> None:
    async with opened("light") as session:
        text = "0123456789abcdef" * (3 * MIB // 16)
        assert await call(session, "echo", text=text) == text
