"""The truth about a project as one JSON document: what was accepted, what lives, what waits, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler import __version__
from reconciler.engine.conditions import SOURCE, Fact, phase_facts, source_facts
from reconciler.engine.life import Life
from reconciler.engine.project import Project
from reconciler.model.pause import Pause
from reconciler.model.server import Remote, Server, Stdio, Uplink
from reconciler.plan.render.lock import drift_text
from reconciler.problems import errors
from reconciler.sessions.instance import Instance
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.session import Session
from reconciler.sessions.stale import REFRESH_SECONDS


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The process that hosts projects; `url` is that of the listener, None while there is none. One that is `read_only`
    changes no file."""

    started_at: str
    url: str | None = None
    read_only: bool = False

    def to_json(self) -> dict[str, Any]:
        facts = {"pid": os.getpid(), "version": __version__, "startedAt": self.started_at, "url": self.url}
        return {**facts, "readOnly": self.read_only}


def status(project: Project, engine: EngineFacts | None) -> dict[str, Any]:
    """The status document (`status -o json`). `engine` is None in what is kept for when no engine runs."""
    document = project.ledger.document
    waiting = {pending.server: pending for pending in project.waiting.all}
    unborn = [server for server in waiting if server not in document.servers and not server.startswith("@")]
    problems = project.followed.problems
    return {
        "project": project.name,
        "serial": project.ledger.accepted.serial,
        "engine": engine.to_json() if engine else None,
        "source": {
            "valid": not errors(problems),
            "files": [project.sources.shown(path) for path in project.sources.paths],
            "problems": [problem.to_json() for problem in problems],
            "conditions": _source_conditions(project),
            "following": project.followed.on,
            "held": project.followed.held,
            "remark": project.followed.remark,
        },
        "pending": [pending.to_json() for pending in project.waiting.all],
        "calls": {
            "free": project.gate.free,
            "asked": project.gate.asked,
            "waiting": project.gate.approvals.waiting,
        },
        "servers": sorted(
            [*(server_status(project, server_id) for server_id in document.servers), *map(_unborn, unborn)],
            key=lambda row: row["id"],
        ),
    }


def server_status(project: Project, server_id: str) -> dict[str, Any]:
    """One member of `servers` in the status document."""
    server = project.ledger.server(server_id)
    if server is None:
        raise KeyError(server_id)
    worker, live = project.worker(server_id), project.hub.slot(server_id).live
    life = worker.life if worker else Life()
    word, reason = project.status_of(server_id)
    times, pause = project.times.get(server_id), project.pauses.of(server_id)
    waits = any(pending.server == server_id for pending in project.waiting.all)
    serves = live is not None and live.state == "ready"
    opens = server.enabled and pause is None
    as_accepted = life.ready_spec == server.spec or isinstance(server.transport, Uplink)
    synced = not waits and (not server.enabled or (opens and as_accepted))
    return {
        "id": server_id,
        "name": server.name,
        "transport": transport_word(server),
        "group": server.group,
        "enabled": server.enabled,
        "requireApproval": {"always": True, "never": False, "writes": "writes"}[server.approval],
        "status": word,
        "sync": "Synced" if synced else "OutOfSync",
        "health": _health(word, life, opens=opens, serves=serves),
        "generation": project.generation(server_id),
        "conditions": _conditions(project, server_id, life, waits=waits, synced=synced, serves=serves, reason=reason),
        "paused": pause.to_json() if pause is not None else None,
        "reason": project.environment.hide(reason) or None,
        "pid": live.session.pid if live and live.session else None,
        "instance": live.id if live else None,
        "restarts": life.restarts,
        "nextRetryAt": _text(life.next_retry_at) if life.phase in ("Backoff", "Stalled") else None,
        "toolCount": len(live.listing.tools) if live and serves else None,
        **_handshake(live if serves else None),
        "authUrl": project.sign_ins.auth_url(server_id) if opens else None,
        "createdAt": times.created if times else None,
        "updatedAt": times.updated if times else None,
        "lastConnectedAt": times.connected if times else None,
    }


def transport_word(server: Server) -> str:
    """stdio, http, sse, uplink or mock."""
    match server.transport:
        case Stdio():
            return "stdio"
        case Remote(kind=kind):
            return kind
        case Uplink():
            return "uplink"
        case _:
            return "mock"


def _health(word: str, life: Life, *, opens: bool, serves: bool) -> str:
    if not opens:
        return "Suspended"
    if serves:
        return "Degraded" if life.failed_spec else "Healthy"
    return {"connecting": "Progressing", "error": "Degraded"}.get(word, "Missing")


def _handshake(live: Instance | None) -> dict[str, Any]:
    if live is None or live.session is None:
        return {"capabilities": None, "serverInfo": None, "protocolVersion": None}
    handshake = live.session.handshake
    return {
        "capabilities": {name: name in handshake.capabilities for name in ("tools", "resources", "prompts")},
        "serverInfo": handshake.server_info,
        "protocolVersion": handshake.protocol_version,
    }


def _conditions(
    project: Project, server_id: str, life: Life, *, waits: bool, synced: bool, serves: bool, reason: str
) -> list[dict[str, Any]]:
    pause = project.pauses.of(server_id)
    facts = [
        Fact("Approved", not waits, "WaitsForYes" if waits else "Accepted", ""),
        Fact("Synced", synced, *(("Applied", "") if synced else _not_synced(pause, reason))),
        *phase_facts(life.phase, "see the condition Paused" if pause is not None else reason, serves=serves),
    ]
    if pause is not None:
        facts.append(Fact("Paused", True, "ByPerson", str(pause)))
    live = project.hub.slot(server_id).live
    if live is not None and live.session is not None:
        facts += _remarks(live, live.session)
        facts += _pinned(project, server_id)
    safe = [fact._replace(message=project.environment.hide(fact.message)) for fact in facts]
    now, seen = datetime.now(UTC), life.generation
    return project.transitions.shown(server_id, safe, generation=seen, changed=life.since, now=now)


def _not_synced(pause: Pause | None, reason: str) -> tuple[str, str]:
    return ("Paused", "") if pause is not None else ("NotAsAccepted", reason)


def _source_conditions(project: Project) -> list[dict[str, Any]]:
    """What is so of the files; no secret is in it."""
    serial, now = project.ledger.accepted.serial, datetime.now(UTC)
    facts = [*source_facts(project.followed.problems, project.followed.held, serial)]
    return project.transitions.shown(SOURCE, facts, generation=serial, changed=now, now=now)


def _remarks(live: Instance, session: Session) -> Iterator[Fact]:
    """Conditions that are only there when there is something to say; they are false then."""
    missing = getattr(session, "missing", ())
    if missing:
        yield Fact("EnvironmentComplete", False, "NamesUnset", f"not set and left out: {', '.join(missing)}")
    if live.listing.withheld:
        withheld = "; ".join(f"{name}: {why}" for name, why in live.listing.withheld)
        yield Fact("ToolsComplete", False, "Withheld", withheld)
    if live.listing.truncated:
        yield Fact("ListsComplete", False, "Truncated", live.listing.truncated)
    skipped = getattr(session, "skipped", 0)
    if skipped:
        first = " | ".join(getattr(session, "bad_lines", ()))
        yield Fact("OutputClean", False, "LinesSkipped", f"{skipped} lines were no JSON-RPC, the first: {first}")
    unlogged = getattr(session, "unlogged", 0)
    if unlogged:
        kept = f"it prints more than {LIMITS.log_per_second // 1024} KiB a second on standard error"
        yield Fact("LogComplete", False, "StderrDropped", f"{kept}: {unlogged} bytes are not in its log")
    if live.storm:
        told = f"it said {live.storm} times within {REFRESH_SECONDS:g} s that its lists changed"
        yield Fact("ListsSteady", False, "Storming", f"{told}: they are read again only once in that time")
    if getattr(session, "flooding", False):
        sent = f"it sends more than {LIMITS.unasked_per_second} messages a second that answer no request"
        yield Fact("MessagesSteady", False, "Flooding", f"{sent}: it is read slowly, so its answers may be late")


def _pinned(project: Project, server_id: str) -> Iterator[Fact]:
    """How what is live stands to the lock, where there is one that holds for the server."""
    locked, problems = project.offers.locked(server_id), project.lock.pins.problems
    server = project.wanted(server_id)
    if locked is None or server is None or project.lock.mode(server) == "off":
        return
    if problems:
        yield Fact("ToolsPinned", False, "LockUnusable", f"the lock file cannot be used: {problems[0].detail}")
    elif locked.verdicts is not None and locked.verdicts.drift:
        kept = " (withheld)" if locked.withheld.accepted is not None else ""
        word = "Drift" if locked.verdicts.known else "NotInLock"
        yield Fact("ToolsPinned", False, word, f"{drift_text(locked.verdicts.drift)}{kept}")
    else:
        yield Fact("ToolsPinned", True, "AsPinned", "")


def _unborn(server_id: str) -> dict[str, Any]:
    """A server of the file that waits for its first yes."""
    empty: Mapping[str, Any] = dict.fromkeys(
        ("group", "requireApproval", "pid", "instance", "nextRetryAt", "toolCount", "capabilities", "serverInfo")
    )
    return {
        "id": server_id,
        "name": server_id,
        "transport": None,
        **empty,
        "enabled": False,
        "status": "disconnected",
        "sync": "OutOfSync",
        "health": "Missing",
        "conditions": [],
        "reason": "waits for a yes",
        "restarts": 0,
        "generation": 0,
        "paused": None,
        "protocolVersion": None,
        "authUrl": None,
        "createdAt": None,
        "updatedAt": None,
        "lastConnectedAt": None,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
