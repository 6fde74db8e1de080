"""Real servers from the package indexes through the whole pipeline: plan, apply, call, restart, stop, nothing left.

In between the engine is killed with SIGKILL: its servers must go with it, and the next engine must bring them back.

`python -m tests.real.campaign [--short] [--only ID ...] [--keep FOLDER]`: prints a table and ends with 1 when
something was not as it must be. What is not in the caches of npx and uvx yet is fetched by them.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.real.servers import REAL, REMOTE, Real
from tests.waiting import becomes_true

RECONCILER = [sys.executable, "-m", "reconciler"]
START = "120s"
WAIT = "300"
"""Seconds for all of them: a first start fetches packages."""
PAGE = "<html><body><p>This is a page.</p></body></html>"


@dataclass(slots=True)
class Row:
    """What was seen of one server."""

    real: Real
    tools: int | None = None
    protocol: str | None = None
    version: str | None = None
    restart: float | None = None
    called: str = "needs the internet"


@dataclass(slots=True)
class Campaign:
    """One folder with its own state. `wrong` is what was not as it must be, in words."""

    folder: Path
    environment: Mapping[str, str]
    rows: dict[str, Row]
    wrong: list[str] = field(default_factory=list)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ours in the folder."""
        command = [*RECONCILER, *arguments]
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        return subprocess.run(command, cwd=self.folder, env=self.environment, check=False, timeout=600, **streams)

    def ask(self, *arguments: str) -> Any:
        """What a command answers as JSON."""
        done = self.run(*arguments, "-o", "json")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}") from None

    def expect(self, holds: bool, words: str) -> None:
        if not holds:
            self.wrong.append(words)


def carry_out(reals: Sequence[Real], folder: Path, places: Mapping[str, str]) -> Campaign:
    """Everything, once. `places` are what `{page}`, `{http}` and `{sse}` stand for."""
    environment = {**os.environ, "RECONCILER_STATE_DIR": str(folder / "state"), "NO_COLOR": "1"}
    environment.pop("RECONCILER_FILE", None)
    campaign = Campaign(folder, environment, {real.id: Row(real) for real in reals})
    places = {**places, "folder": str(folder)}
    _prepare(campaign, places)
    try:
        _bring_up(campaign)
        _look(campaign)
        for row in campaign.rows.values():
            _call(campaign, row, places)
            _restart(campaign, row)
        _kill_engine(campaign)
    finally:
        _stop(campaign)
    return campaign


def _prepare(campaign: Campaign, places: Mapping[str, str]) -> None:
    (campaign.folder / "files").mkdir()
    who = ("-c", "user.name=campaign", "-c", "user.email=campaign@example.com")
    for words in (("init", "-q", "checkout"), ("-C", "checkout", *who, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *words], cwd=campaign.folder, check=True, capture_output=True)
    servers = {row.real.id: _filled(row.real.written, places) for row in campaign.rows.values()}
    document = {"version": 1, "project": "campaign", "timeouts": {"start": START}, "mcpServers": servers}
    (campaign.folder / "reconciler.yaml").write_text(json.dumps(document, indent=1), encoding="utf-8")


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    """`value` with the places in its texts filled in."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(f"{{{name}}}", text) if f"${{{name}}}" not in value else value
        return value
    if isinstance(value, Mapping):
        return {key: _filled(member, places) for key, member in value.items()}
    return [_filled(item, places) for item in value] if isinstance(value, list) else value


def _bring_up(campaign: Campaign) -> None:
    planned = campaign.ask("plan")
    created = {action["id"] for action in planned["actions"] if action["action"] == "create"}
    campaign.expect(created == set(campaign.rows), f"the plan creates {sorted(created)}")
    applied = campaign.run("apply", "--auto-approve", "--wait", WAIT, "-o", "json")
    campaign.expect(applied.returncode == 0, f"apply ended with {applied.returncode}: {applied.stderr[-2000:]}")
    again = campaign.run("plan", "--exit-code")
    campaign.expect(again.returncode == 0, f"a plan after apply is not empty: {again.stdout[:2000]}")


def _look(campaign: Campaign) -> None:
    report = campaign.ask("status")
    for seen in report["servers"]:
        row = campaign.rows[seen["id"]]
        real, status = row.real, seen["status"]
        row.tools, row.protocol = seen["toolCount"], seen["protocolVersion"]
        row.version = (seen["serverInfo"] or {}).get("version")
        campaign.expect(status == "connected", f"{real.id} is {status}: {seen['reason']}")
        campaign.expect(row.tools == real.tools, f"{real.id} has {row.tools} tools, not {real.tools}")
        era = "stateless" if (row.protocol or "") >= "2026" else "handshake"
        campaign.expect(era == real.era, f"{real.id} speaks {row.protocol}")


def _call(campaign: Campaign, row: Row, places: Mapping[str, str]) -> None:
    call = row.real.call
    if call is None:
        return
    arguments = json.dumps(_filled(call.arguments, places))
    done = campaign.run("call", row.real.id, call.tool, arguments)
    right = done.returncode == 0 and call.answer in done.stdout
    row.called = f"`{call.tool}`" if right else "FAILED"
    campaign.expect(right, f"{row.real.id} {call.tool} ended with {done.returncode}: {done.stdout}{done.stderr}")


def _restart(campaign: Campaign, row: Row) -> None:
    """A second start, alone and from a warm cache: what a start takes."""
    start = time.monotonic()
    done = campaign.run("restart", row.real.id)
    row.restart = time.monotonic() - start
    campaign.expect(done.returncode == 0, f"restart {row.real.id} ended with {done.returncode}: {done.stderr}")


def _kill_engine(campaign: Campaign) -> None:
    """Kill the engine as nothing else can: its servers go with it, and the next engine brings all of them back."""
    engine = campaign.ask("status")["engine"]
    os.kill(engine["pid"], signal.SIGKILL)
    campaign.expect(becomes_true(lambda: not owned(campaign.folder), 10), f"outlived it: {owned(campaign.folder)}")
    campaign.run("watch", "--detach")
    campaign.expect(
        becomes_true(lambda: _unconnected(campaign) == [], 120), f"did not come back: {_unconnected(campaign)}"
    )


def _unconnected(campaign: Campaign) -> list[str]:
    servers = campaign.ask("status")["servers"]
    return [f"{seen['id']}: {seen['status']}, {seen['reason']}" for seen in servers if seen["status"] != "connected"]


def _stop(campaign: Campaign) -> None:
    """Everything that the engine started is gone: by the cookie, and by the ids of those that were there before."""
    before = owned(campaign.folder)
    stopped = campaign.run("stop")
    campaign.expect(stopped.returncode == 0, f"stop ended with {stopped.returncode}: {stopped.stderr}")
    left = {pid: words for pid, words in before.items() if _words_of(pid) == words} | owned(campaign.folder)
    campaign.expect(not left, f"left behind: {left}")
    campaign.expect(bool(before) or all("url" in row.real.written for row in campaign.rows.values()), "nothing ran")


def owned(folder: Path) -> dict[int, str]:
    """The processes with our cookie for the state in `folder`: id and command line."""
    marks = [f"\0RECONCILER_OWNER={state.name}".encode() for state in (folder / "state").glob("*")]
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and any(mark in _environment(entry) for mark in marks):
            found[int(entry.name)] = _words_of(int(entry.name))
    return found


def _environment(entry: Path) -> bytes:
    try:
        return b"\0" + (entry / "environ").read_bytes()
    except OSError:
        return b""


def _words_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


@contextmanager
def page() -> Iterator[str]:
    """The address of a page on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode() if found else b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def listening(kind: str) -> Iterator[int]:
    """The port of a server-everything that listens: `streamableHttp` or `sse`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["npx", "-y", "@modelcontextprotocol/server-everything", kind]
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment = {**os.environ, "PORT": str(port)}
    with subprocess.Popen(command, env=environment, start_new_session=True, **quiet) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    becomes_true(lambda: _listens(port) or process.poll() is not None, 120)
    if not _listens(port):
        raise SystemExit(f"nothing listens on port {port}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def campaign(reals: Sequence[Real], folder: Path) -> Campaign:
    """The campaign with everything around it that these servers need."""
    with ExitStack() as stack:
        places = {"page": stack.enter_context(page())}
        for real in reals:
            if real.id == "everything-http":
                places["http"] = f"http://127.0.0.1:{stack.enter_context(listening('streamableHttp'))}/mcp"
            if real.id == "everything-sse":
                places["sse"] = f"http://127.0.0.1:{stack.enter_context(listening('sse'))}/sse"
        return carry_out(reals, folder, places)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A Markdown table of what was seen."""
    yield "| server | how | version | tools | protocol | start, s | called |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        words = row.real.written.get("args") or [row.real.written.get("type", "http")]
        how = " ".join([row.real.written.get("command", ""), *words]).strip().replace("${workspaceFolder}/", "")
        took = f"{row.restart:.1f}" if row.restart is not None else ""
        cells = (row.real.id, f"`{how}`", row.version or "", row.tools, row.protocol, took, row.called)
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="three servers only")
    parser.add_argument("--only", nargs="+", metavar="ID", help="these servers only")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this new folder and leave it there")
    given = parser.parse_args()
    reals = [real for real in (*REAL, *REMOTE) if real.id in (given.only or [real.id])]
    reals = [real for real in reals if real.short] if given.short else reals
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
        folder.mkdir(exist_ok=True)
        seen = campaign(reals, folder.resolve())
    print("\n".join(table(list(seen.rows.values()))))
    for words in seen.wrong:
        print(f"WRONG: {words}", file=sys.stderr)
    print(f"{len(seen.rows)} servers, {len(seen.wrong)} things wrong", file=sys.stderr)
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
