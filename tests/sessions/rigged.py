"""Rig servers as live sessions, and the proof that nothing of them is left. Shared by the tests of this folder."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from reconciler.model.secret import SecretRef
from reconciler.sessions.session import Session, Unresolved
from reconciler.sessions.stdio import StdioSession, open_stdio
from tests.rig.starting import processes_owned_by, rig_server, zombies_below_us

COOKIE = f"test-{os.getpid()}"


def unresolved(reference: SecretRef) -> str:
    raise Unresolved(f"{reference} has no value here")


def ignore(_: str, __: Mapping[str, Any]) -> None:
    """A listener that does not listen."""


def opened(
    script: str, *arguments: str, start: float = 10.0, transport: Mapping[str, Any] | None = None, **options: Any
) -> AbstractAsyncContextManager[StdioSession]:
    """`open_stdio` on a rig server; `options` go to it, `transport` are further fields of its Stdio."""
    server = rig_server(script, *arguments, start=start, **(transport or {}))
    given = {"workspace": str(Path(__file__).parent), "cookie": COOKIE, "instance": "ins-1", **options}
    resolve = given.pop("resolve", unresolved)
    return open_stdio(server, resolve, given.pop("on_notification", ignore), **given)


async def call(session: Session, tool: str, *, timeout: float = 5.0, **arguments: Any) -> Any:
    """Call a tool of a rig server: the text of its answer, as the JSON value it holds where it holds one."""
    result = await session.request("tools/call", {"name": tool, "arguments": arguments}, timeout=timeout)
    answer = result["content"][0]["text"]
    return json.loads(answer) if answer[:1] in ("{", "[") else answer


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Whatever happens inside: afterwards no process, no zombie and no descriptor is left of it."""
    before, dead = open_descriptors(), zombies_below_us()
    yield
    assert processes_owned_by(COOKIE) == []
    assert zombies_below_us(dead) == []
    # What an earlier test left to the garbage collector may be closed meanwhile: only what is new counts.
    left = open_descriptors() - before
    assert left == set(), f"left open: {sorted(left)}"


def open_descriptors() -> set[tuple[str, str]]:
    """Each with where it leads, but for files of /proc: the watch for the marked secret opens those at any time."""
    found = {(entry.name, _leads_to(entry)) for entry in Path("/proc/self/fd").iterdir()}
    return {each for each in found if not f"{each[1]}/".startswith("/proc/")}


def _leads_to(entry: Path) -> str:
    """Where a descriptor leads; one that was closed meanwhile led to /proc."""
    try:
        return str(entry.readlink())
    except FileNotFoundError:
        return "/proc/"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


Recorder = Callable[[str, Mapping[str, Any]], None]
