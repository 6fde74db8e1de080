"""A gate on a desk: real records, a clock that is set by hand, and servers that answer what they were told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.gate.approvals import Approvals, Clock, Now, World
from reconciler.gate.gate import Gate
from reconciler.gate.policy import Policy, policy_of
from reconciler.gate.principal import Principal
from reconciler.gate.turn import Patience
from reconciler.model.document import Document
from reconciler.model.server import Server
from reconciler.sessions.instance import Instance, NotLive
from reconciler.sessions.session import Caller, Progress
from reconciler.store.approval_rows import ApprovalRows, CallRow
from reconciler.store.audit_rows import AuditRows
from reconciler.store.records import Records

OWNER = Principal("owner", "owner")
OPERATOR = Principal("me", "operator")
CLIENT = Principal("an agent", "client")
KEY = b"k" * 32
SERVERS: Mapping[str, Any] = {
    "asks": {"command": "x", "denyTools": ["hidden"], "tools": {"slow": {"timeout": "5m"}}},
    "other": {"command": "y"},
    "open": {"command": "x", "requireApproval": False},
    "off": {"command": "x", "enabled": False},
}
SECONDS = Patience(whole=5, tick=0.01)
"""Patient enough to see an answer, short enough to see none."""
NONE = Patience(whole=0, tick=0.01)


@dataclass
class Time:
    """Both clocks, set by hand."""

    wall: datetime = datetime(2026, 11, 21, 4, 0, 0, tzinfo=UTC)
    monotonic: float = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)


@dataclass
class Session(Instance):
    """What serves one server, without a connection; the desk hears what arrives."""

    desk: Desk
    server: Server

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        return await self.desk.arrived(self.server.id, params or {}, timeout, on_progress)

    def start(self, *_: Any, **__: Any) -> None:
        """It takes nothing up without a wait."""
        return


@dataclass
class Desk:
    """`seen` is everything that reached a server."""

    path: Path
    records: Records
    time: Time = field(default_factory=Time)
    patience: Patience = SECONDS
    seen: list[tuple[str, Mapping[str, Any], float]] = field(default_factory=list)
    said: list[tuple[str, str, str]] = field(default_factory=list)
    answer: dict[str, Any] | BaseException = field(default_factory=lambda: {"content": []})
    document: Document = field(default_factory=lambda: Document({"version": 1, "mcpServers": SERVERS}))
    definitions: dict[str, str] = field(default_factory=lambda: {"echo": "sha256:1"})
    down: set[str] = field(default_factory=set)
    blocked: dict[str, str] = field(default_factory=dict)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.audit_rows = AuditRows(self.records)
        self.start()

    def start(self) -> None:
        """A gate as an engine has it after its start."""
        world = World(self.now, lambda: self.document.approvals, self.hide, self.say)
        self.approvals = Approvals(ApprovalRows(self.records, lambda: KEY), self.audit_rows.add, world, self.time.clock)
        self.gate = Gate(self, self.approvals, self.audit_rows.add, self.patience)

    def set_document(self, **servers: Mapping[str, Any] | None) -> None:
        """Other fields of some servers."""
        changed = {**SERVERS, **servers}
        settings = {key: value for key, value in self.document.written.items() if key != "mcpServers"}
        written = {**settings, "mcpServers": {id: each for id, each in changed.items() if each is not None}}
        self.document = Document(written)

    def policy(self, server_id: str) -> Policy | None:
        if server_id not in self.document.servers:
            return None
        policy = policy_of(self.document, server_id, frozenset())
        return replace(policy, tools=self.definitions, blocked=self.blocked)

    def serving(self, server_id: str) -> Session | None:
        return None if server_id in self.down else Session(self, self.document.server(server_id))

    async def ready(self, server_id: str) -> None:
        if server_id in self.down:
            raise NotLive(f'"{server_id}" is error')

    def now(self, server_id: str, tool: str) -> Now | None:
        if server_id not in self.document.servers:
            return Now("", "")
        if server_id in self.down:
            return None
        return Now(self.document.server(server_id).spec, self.definitions.get(tool, ""))

    def hide(self, text: str) -> str:
        return text.replace("hunter2hunter2", "***")

    async def arrived(
        self, server: str, params: Mapping[str, Any], timeout: float, on_progress: Progress | None
    ) -> dict[str, Any]:
        self.seen.append((server, params, timeout))
        self.running.set()
        if on_progress:
            on_progress({"progress": 1})
        if self.answering is not None:
            await self.answering.wait()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def audit(self) -> list[tuple[str | None, ...]]:
        """Who, server, tool, decision and outcome of every row."""
        names = ("principal", "server", "tool", "decision", "outcome")
        return [tuple(row[name] for name in names) for row in await self.audit_rows.since("", 10_000)]

    async def waiting(self) -> list[CallRow]:
        return await self.approvals.listed("waiting")

    async def first(self) -> CallRow:
        """The first call that waits, once one does."""
        await self.asked.wait()
        return (await self.waiting())[0]

    def say(self, kind: str, message: str, server: str) -> None:
        self.said.append((kind, message, server))
        if kind == "approval":
            self.asked.set()


@asynccontextmanager
async def desk(folder: Path, *, kind: type[Desk] = Desk, **options: Any) -> AsyncIterator[Desk]:
    records = Records(folder / "records.db")
    await records.open("now")
    try:
        yield kind(folder / "records.db", records, **options)
    finally:
        await records.close()
