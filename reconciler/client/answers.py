"""What the API answers, member by member. `/openapi.json` says the same, and a test holds the two together.

Readers must not mind members that they do not know. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Engine(TypedDict):
    """The process. `url` is where it listens on TCP, None where it does not; one that is `readOnly` changes no file."""

    pid: int
    version: str
    startedAt: str
    url: str | None
    readOnly: bool


class Hello(Engine):
    """The engine, and the names of its projects."""

    projects: list[str]


class Link(TypedDict):
    """Lets one browser in to the page, once, within so many seconds."""

    url: str
    seconds: int


class Project(TypedDict):
    """`path` stands before `/api/v1`, `/mcp` and the rest; `root` is the one that needs no path."""

    name: str
    path: str
    root: bool


class Problem(TypedDict):
    """One mistake in a file."""

    severity: Literal["error", "warning"]
    code: str
    summary: str
    detail: str
    file: str | None
    line: int | None
    column: int | None
    hint: str | None


class Source(TypedDict):
    """The files. `held` says why they are not believed, where they are not; `remark` why saves come late or never."""

    valid: bool
    files: list[str]
    problems: list[Problem]
    conditions: list[Condition]
    following: bool
    held: str | None
    remark: str | None


class Pending(TypedDict):
    """An action that waits for a yes; `by` is who wrote it, where that was somebody who may not say yes."""

    id: str
    server: str
    action: str
    marks: list[str]
    since: str
    by: str | None


class Calls(TypedDict):
    """Calls that asked nobody, the others, and how many wait."""

    free: int
    asked: int
    waiting: int


class Condition(TypedDict):
    """One thing that is so or not, since when, and why. `observedGeneration` is what was looked at then."""

    type: str
    status: Literal["True", "False"]
    reason: str
    message: str
    observedGeneration: int
    lastTransitionTime: str | None


class Paused(TypedDict):
    """Who keeps a server from running, since when, and until when where that ends by itself."""

    who: str
    since: str
    until: str | None


class Server(TypedDict):
    """One server: what was applied, what lives, and why."""

    id: str
    name: str
    transport: Literal["stdio", "http", "sse", "uplink", "mock"] | None
    group: str | None
    enabled: bool
    requireApproval: bool | Literal["writes"] | None
    status: Literal["connecting", "connected", "disconnected", "error"]
    sync: Literal["Synced", "OutOfSync"]
    health: Literal["Healthy", "Degraded", "Progressing", "Suspended", "Missing"]
    generation: int
    conditions: list[Condition]
    paused: Paused | None
    reason: str | None
    pid: int | None
    instance: str | None
    restarts: int
    nextRetryAt: str | None
    toolCount: int | None
    capabilities: dict[str, bool] | None
    serverInfo: dict[str, Any] | None
    protocolVersion: str | None
    authUrl: str | None
    createdAt: str | None
    updatedAt: str | None
    lastConnectedAt: str | None


class Status(TypedDict):
    """The status document."""

    project: str
    serial: int
    engine: Engine | None
    source: Source
    pending: list[Pending]
    calls: Calls
    servers: list[Server]


class Drift(TypedDict):
    """One thing that is not as the lock has it."""

    kind: str
    name: str
    state: Literal["accepted", "changed", "new", "gone"]


class Seen(TypedDict):
    """One server as a plan sees it."""

    id: str
    status: Literal["connecting", "connected", "disconnected", "error"]
    instance: str | None
    spec: str | None
    down: str | None
    since: str | None
    drift: list[Drift]
    paused: Paused | None


class Observed(TypedDict):
    """What lives."""

    servers: list[Seen]


class Error(TypedDict):
    """Why not: a code for programs and a sentence for people."""

    code: str
    message: str


class Result(TypedDict):
    """What became of one action. One of a server that is `paused` was accepted, and takes effect once that is over."""

    server: str
    action: str
    status: Literal["applied", "failed", "skipped", "waiting", "rolled-back", "late"]
    ms: int
    error: Error | None
    marks: list[str]
    paused: Paused | None


class Applied(TypedDict):
    """What became of a plan. `exit`: 0 done, 5 in part, 6 something waits."""

    format: str
    formatVersion: str
    id: str
    project: str
    serial: int
    results: list[Result]
    summary: dict[str, int]
    exit: int


class Changed(TypedDict):
    """What a change of the files came to, and what they say now."""

    applied: Applied
    pending: list[Pending]
    config: dict[str, Any]


class Following(TypedDict):
    """Whether the file is followed."""

    following: bool


class Denied(TypedDict):
    """The servers whose actions will not be asked about again until the file says something else."""

    denied: list[str]


class Past(TypedDict):
    """One applied plan."""

    serial: int
    at: str
    who: str
    plan: str
    result: str
    summary: dict[str, int]


class Back(TypedDict):
    """The merge patch back to what the file was at `serial`."""

    serial: int
    patch: dict[str, Any]


class Exit(TypedDict):
    """How a session ended."""

    instance: str
    at: str
    code: int | None
    reason: str
    stderr: list[str]


class Logs(TypedDict):
    """What the processes of a server wrote on stderr, and how its last sessions ended, the newest first."""

    lines: list[str]
    exits: list[Exit]


class Event(TypedDict):
    """What happened, the last time `at` and the first time `since`; `id` is None where it could not be recorded."""

    id: int | None
    at: str
    kind: str
    server: str | None
    message: str
    count: int
    since: str


class Tool(TypedDict):
    """One tool; `by` is what in the file decides whether it `asks`."""

    server: str
    name: str
    description: str | None
    hint: Literal["reads", "writes", "destroys"] | None
    asks: bool
    by: str
    pin: Literal["accepted", "changed", "new", "gone", "unpinned", "unknown"]
    withheld: str | None


class Tools(TypedDict):
    """By server."""

    tools: list[Tool]


class Secret(TypedDict):
    """A stored secret, without its value, and the servers that use it."""

    name: str
    version: int
    createdAt: str
    updatedAt: str
    servers: list[str]


class Missing(TypedDict):
    """A secret that servers use and nobody stored."""

    name: str
    servers: list[str]


class Secrets(TypedDict):
    """The stored secrets, and those that are missing. `key` is who keeps the key."""

    secrets: list[Secret]
    missing: list[Missing]
    key: str | None


class Removed(TypedDict):
    """A secret that was forgotten, and the servers that still use it."""

    removed: str
    servers: list[str]


class SignIn(TypedDict):
    """How a sign-in stands."""

    server: str
    authUrl: str | None
    signedIn: bool
    reason: str | None
    listens: bool


class Token(TypedDict):
    """One that was handed out."""

    name: str
    role: Literal["viewer", "client", "editor", "operator"]
    createdAt: str
    expiresAt: str | None


class NewToken(Token):
    """One that was just made, with its text."""

    token: str


class Renamed(TypedDict):
    """A server whose id means another one here."""

    id: str
    into: str
    name: str


class Imported(TypedDict):
    """What came in. Of a dry run `plan` is what it would cause."""

    dryRun: bool
    added: list[str]
    renamed: list[Renamed]
    unchanged: list[str]
    ignored: list[str]
    plan: dict[str, Any] | None
    applied: Applied | None
    pending: list[Pending]
