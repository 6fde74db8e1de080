"""A server that could be live: typed, with every default filled in and every reference still unresolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from reconciler.model.secret import Template, parse_template

Approval = Literal["always", "writes", "never"]
Lock = Literal["off", "warn", "enforce"]


@dataclass(frozen=True, slots=True)
class Stdio:
    """A process that speaks JSON-RPC lines on its standard streams."""

    command: Template
    args: tuple[Template, ...] = ()
    cwd: Template | None = None
    env: Mapping[str, Template] = field(default_factory=dict)
    forward: tuple[str, ...] = ()
    """Names handed on from the engine's environment; one that is unset is left out."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A server at a URL; `kind` http is streamable HTTP, sse the older HTTP+SSE transport."""

    kind: Literal["http", "sse"]
    url: Template
    headers: Mapping[str, Template] = field(default_factory=dict)
    oauth: bool | Mapping[str, Any] = False
    azure: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Uplink:
    """A server that dials in."""


@dataclass(frozen=True, slots=True)
class Mock:
    """No server: listed tools and answers come from the file. `tools` None: what the lock has of the server."""

    tools: tuple[Mapping[str, Any], ...] | None = None
    responses: Mapping[str, Any] = field(default_factory=dict)


Transport: TypeAlias = Stdio | Remote | Uplink | Mock


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines in seconds."""

    start: float = 30.0
    list: float = 15.0
    call: float = 60.0


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What holds for the tools that `pattern` (a name or glob) selects."""

    pattern: str
    approval: Approval | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """One server, effective: what the engine drives towards."""

    id: str
    name: str
    transport: Transport
    enabled: bool = True
    approval: Approval = "always"
    group: str | None = None
    description: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    rules: tuple[ToolRule, ...] = ()
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    strategy: Literal["replace-first", "recreate"] = "replace-first"
    required: bool = False
    protect: bool = False
    lock: Lock = "warn"
    connection: Literal["proxy", "direct"] = "proxy"
    spec: str = ""
    """Digest of everything that decides what is launched or connected to; equal specs are one session."""


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """A duration as written (`500ms`, `30s`, `2m`, `1h`) in seconds."""
    unit = "ms" if duration.endswith("ms") else duration[-1]
    return float(duration.removesuffix(unit)) * _SECONDS[unit]


def approval_of(written: bool | str) -> Approval:
    """The seed's boolean, or `writes`, in our words."""
    return "writes" if written == "writes" else "always" if written else "never"


def server_of(server_id: str, facts: Mapping[str, Any], spec: str) -> Server:
    """The typed server behind its effective fields (`Document.facts`)."""
    return Server(
        id=server_id,
        name=facts["name"],
        transport=_transport(facts),
        enabled=facts["enabled"],
        approval=approval_of(facts["requireApproval"]),
        group=facts.get("group"),
        description=facts.get("description"),
        timeouts=Timeouts(**{key: seconds(value) for key, value in facts["timeouts"].items()}),
        rules=tuple(_rule(pattern, rule) for pattern, rule in facts.get("tools", {}).items()),
        allow=tuple(facts["allowTools"]) if "allowTools" in facts else None,
        deny=tuple(facts.get("denyTools", ())),
        strategy=facts["strategy"],
        required=facts["required"],
        protect=facts["protect"],
        lock=facts["lock"],
        connection=facts["connection"],
        spec=spec,
    )


def is_mocked(facts: Mapping[str, Any]) -> bool:
    """Whether a mock stands in for the server: then nothing is launched or contacted."""
    mock = facts.get("mock")
    return mock is not None and bool(mock.get("enabled", True))


def _rule(pattern: str, written: Mapping[str, Any]) -> ToolRule:
    approval = approval_of(written["requireApproval"]) if "requireApproval" in written else None
    return ToolRule(pattern, approval, seconds(written["timeout"]) if "timeout" in written else None)


def _transport(facts: Mapping[str, Any]) -> Transport:
    if is_mocked(facts):
        mock = facts["mock"]
        tools = mock.get("tools")
        return Mock(None if tools is None else tuple(tools), mock.get("responses", {}))
    match facts["type"]:
        case "stdio":
            return _stdio(facts)
        case "uplink":
            return Uplink()
        case kind:
            oauth, azure = facts.get("oauth", False), facts.get("azure")
            return Remote(kind, parse_template(facts["url"]), _templates(facts.get("headers", {})), oauth, azure)


def _stdio(facts: Mapping[str, Any]) -> Stdio:
    return Stdio(
        command=parse_template(facts["command"]),
        args=tuple(map(parse_template, facts.get("args", ()))),
        cwd=parse_template(facts["cwd"]) if "cwd" in facts else None,
        env=_templates({k: v for k, v in facts.get("env", {}).items() if isinstance(v, str)}),
        forward=tuple(k for k, v in facts.get("env", {}).items() if not isinstance(v, str)),
    )


def _templates(values: Mapping[str, str]) -> dict[str, Template]:
    return {name: parse_template(text) for name, text in values.items()}
