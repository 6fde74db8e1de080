"""Live sessions against the lock, and accepting what they show into it. Reads: sessions, pins. Writes: the lock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reconciler.canonical import digest
from reconciler.engine.locked import surface_of
from reconciler.engine.project import Project
from reconciler.model.package import package_of
from reconciler.model.pins import Drifted, Identity, ServerPins, Surface, launch_pin, one_line, text_pin
from reconciler.model.server import Lock, Mock
from reconciler.plan.lock import Entry, Verdicts, compare, mode_of, pins_from
from reconciler.plan.lock_diff import Difference, differences
from reconciler.problems import Problem
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import CLIENT_CAPABILITIES
from reconciler.store.files import text_digest
from reconciler.store.lock_file import lock_text, write_lock

Standing = Literal["accepted", "drift", "off", "disabled", "not-live", "left-over"]
"""How a server stands to the lock; left-over: pinned, and no longer applied."""


class UnknownServer(Exception):
    """Neither applied nor pinned."""


class Unusable(Exception):
    """The lock file cannot be used; what is wrong comes along."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems[0].detail)
        self.problems = problems


class MovedOn(Exception):
    """The server shows something else than what was to be accepted."""


class ReadOnly(Exception):
    """The lock would be another one, and this engine writes no file."""


@dataclass(frozen=True, slots=True)
class Standings:
    """One server against the lock. `shows` is what would be pinned now, None while it is not live; `why` says why."""

    server: str
    standing: Standing
    mode: Lock
    why: str = ""
    verdicts: Verdicts | None = None
    pinned: ServerPins | None = None
    shows: ServerPins | None = None
    unpinnable: tuple[Entry, ...] = ()

    @property
    def drift(self) -> tuple[Drifted, ...]:
        """Everything that is not as pinned."""
        return self.verdicts.drift if self.verdicts else ()

    @property
    def offered(self) -> str | None:
        """Digest of all that would be pinned: who accepts says what was looked at."""
        return digest(lock_text({self.server: self.shows})) if self.shows else None

    def to_json(self, *, changes: bool) -> dict[str, Any]:
        """`{"id", "mode", "standing", "why", "offered", "drift": [...]}`, with what changed where asked for."""
        found = {each.drifted: each for each in differences(self.pinned, self.shows)} if changes else {}
        return {
            "id": self.server,
            "mode": self.mode,
            "standing": self.standing,
            "why": self.why or None,
            "offered": self.offered,
            "drift": [found.get(each, Difference(each)).to_json() for each in self.drift],
            "unpinnable": [{"kind": kind, "name": name} for kind, name in self.unpinnable],
        }


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of accepting. `written` is false when the file said all that already."""

    written: bool
    accepted: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    """Servers that could not be looked at, with the reason: their pins stay as they were, where there are any."""
    unpinned: tuple[str, ...] = ()
    """Those of them that should be live and have no pins."""


async def survey(project: Project, only: str | None = None, *, wait: float = 60.0) -> list[Standings]:
    """Every server (or one) against the lock, by id; sessions that are on their way are waited for, in seconds.

    Raises UnknownServer.
    """
    project.refresh_lock()
    known = {*project.ledger.document.servers, *project.lock.pins.servers}
    if only is not None and only not in known:
        raise UnknownServer(f'no server "{only}" was applied, and the lock has none')
    chosen = sorted(known if only is None else {only})
    await _until_settled(project, chosen, wait)
    return [stand(project, server_id) for server_id in chosen]


async def _until_settled(project: Project, servers: list[str], wait: float) -> None:
    tasks = [asyncio.create_task(project.settled(each)) for each in servers if _is_on_its_way(project, each)]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=wait)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_on_its_way(project: Project, server_id: str) -> bool:
    server = project.wanted(server_id)
    return server is not None and server.enabled and _serving(project, server_id) is None


def stand(project: Project, server_id: str) -> Standings:
    """One server against the lock, as it is now."""
    pinned, server = project.lock.pins.servers.get(server_id), project.wanted(server_id)
    if server is None:
        return Standings(server_id, "left-over", "off", "it is pinned and was not applied", None, pinned)
    mode = mode_of(server.lock, project.lock.pins)
    if server.lock == "off":
        return Standings(server_id, "off", mode, "its lock is off in the file", None, pinned)
    if not server.enabled:
        return Standings(server_id, "disabled", mode, "it is disabled", None, pinned)
    if isinstance(server.transport, Mock) and server.transport.tools is None:
        return Standings(server_id, "disabled", mode, "a mock shows what is pinned of it", None, pinned)
    live = _serving(project, server_id)
    if live is None:
        status, reason = project.status_of(server_id)
        why = project.environment.hide(f"it is {status}{f': {reason}' if reason else ''}")
        return Standings(server_id, "not-live", mode, why, None, pinned)
    surface = _surface(project, server_id, live)
    hide = project.environment.hide
    shows, unpinnable = pins_from(surface, _identity(project, server_id, live), lambda text: hide(text) != text)
    verdicts = compare(pinned, surface)
    return Standings(
        server_id, "drift" if verdicts.drift else "accepted", mode, "", verdicts, pinned, shows, unpinnable
    )


def _serving(project: Project, server_id: str) -> Instance | None:
    """The session of what was applied; one of an earlier version does not count."""
    live, wanted = project.hub.slot(server_id).live, project.wanted(server_id)
    if live is None or wanted is None or live.state != "ready" or live.server.spec != wanted.spec:
        return None
    return live


def _surface(project: Project, server_id: str, live: Instance) -> Surface:
    said = live.session.handshake.instructions if live.session else None
    return surface_of(live.listing, text_pin(said), launch_pin(project.ledger.document.pinned_launch(server_id)))


def _identity(project: Project, server_id: str, live: Instance) -> Identity:
    facts = project.ledger.document.facts(server_id)
    package = package_of(facts["command"], facts.get("args", ())) if "command" in facts else None
    if live.session is None:
        return Identity(package=package)
    handshake = live.session.handshake
    info = handshake.server_info if _can_be_shown(project, handshake.server_info) else None
    return Identity(handshake.protocol_version, info, CLIENT_CAPABILITIES, package)


def _can_be_shown(project: Project, value: Any) -> bool:
    """Whether it is JSON and repeats no secret that was handed to a server."""
    try:
        text = one_line(value)
    except ValueError:
        return False
    return project.environment.hide(text) == text


async def accept(
    project: Project,
    only: str | None = None,
    *,
    expected: Mapping[str, str] | None = None,
    wait: float = 60.0,
) -> Accepted:
    """Write what live sessions show into the lock, of every server or of `only` one.

    `expected` are the `offered` digests that somebody looked at. Raises UnknownServer, Unusable (a lock that cannot be
    used can only be written whole), MovedOn, ReadOnly, OSError and LockTooLarge; then the file is as it was.
    """
    async with project.pinning:
        standings = await survey(project, only, wait=wait)
        before = project.lock.pins
        if only is not None and before.problems:
            raise Unusable(before.problems)
        for each in standings:
            if expected is not None and each.shows and expected.get(each.server, each.offered) != each.offered:
                raise MovedOn(f'"{each.server}" shows something else than a moment ago')
        return await _write(project, standings, dict(before.servers))


async def _write(project: Project, standings: list[Standings], pins: dict[str, ServerPins]) -> Accepted:
    before = dict(pins)
    accepted, kept = [], {}
    for each in standings:
        if each.shows is not None:
            accepted.append(each.server)
            pins[each.server] = each.shows
        elif each.standing in ("left-over", "off"):
            pins.pop(each.server, None)
        else:
            kept[each.server] = each.why
    removed = tuple(sorted(before.keys() - pins.keys()))
    there = project.lock.pins.digest
    written = text_digest(lock_text(pins).encode()) != there and bool(pins or there)  # none is as good as an empty one
    if written and project.read_only:
        lock = project.sources.shown(project.sources.lock)
        raise ReadOnly(f"{lock} is not changed from here (--read-only): `reconciler lock` in a checkout, and commit it")
    if written:
        await asyncio.to_thread(write_lock, project.sources.lock, pins)
        project.refresh_lock()
    absent = {each.server for each in standings if each.standing == "not-live"}
    unpinned = tuple(name for name in kept if name not in pins and name in absent)
    return Accepted(written, tuple(accepted), removed, kept, unpinned)
