"""What the tests of remote sessions share: a server to open, and the check that nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from reconciler.model.secret import SecretRef, parse_template
from reconciler.model.server import Remote, Server, Timeouts
from reconciler.sessions.remote import RemoteSession, open_remote
from reconciler.sessions.session import Era, SessionError

Kind = Literal["http", "sse"]


def remote(
    url: str, kind: Kind = "http", *, start: float = 5, headers: Mapping[str, str] | None = None, **more: Any
) -> Server:
    """A server at `url`."""
    templates = {name: parse_template(text) for name, text in (headers or {}).items()}
    transport = Remote(kind, parse_template(url), templates, **more)
    return Server("there", "there", transport, timeouts=Timeouts(start=start))


def no_secrets(reference: SecretRef) -> str:
    raise AssertionError(f"{reference} was not expected")


class Heard(list[tuple[str, Mapping[str, Any]]]):
    """Notifications in order, and the wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, method: str, params: Mapping[str, Any]) -> None:
        self.append((method, params))
        self._more.set()

    async def until(self, method: str) -> Mapping[str, Any]:
        while True:
            for found, params in self:
                if found == method:
                    return params
            self._more.clear()
            await self._more.wait()


@asynccontextmanager
async def opened(
    url: str, kind: Kind = "http", *, heard: Heard | None = None, era: Era | None = None, **more: Any
) -> AsyncIterator[RemoteSession]:
    """A live session."""
    told, tasks = heard if heard is not None else Heard(), asyncio.all_tasks()
    try:
        async with open_remote(remote(url, kind, **more), no_secrets, told, era=era) as session:
            yield session
    finally:
        left = [task for task in _tasks_since(tasks) if "reconciler/sessions" in task or "/mcp/client" in task]
        assert left == [], left


async def failure(url: str, kind: Kind = "http", **more: Any) -> SessionError:
    """Why no session comes about."""
    with pytest.raises(SessionError) as caught:
        async with opened(url, kind, **more):
            raise AssertionError("it opened")
    return caught.value


@pytest.fixture
async def nothing_left(anyio_backend: str) -> AsyncIterator[None]:
    """Around a test: every task and every socket that it made is gone at its end."""
    tasks, sockets = asyncio.all_tasks(), _sockets()
    yield
    with anyio.move_on_after(2):
        while _tasks_since(tasks) or _sockets() - sockets:
            await anyio.lowlevel.checkpoint()
    assert _tasks_since(tasks) == [], _tasks_since(tasks)
    assert _sockets() - sockets == set()


def _tasks_since(before: set[asyncio.Task[Any]]) -> list[str]:
    """New tasks, but for those of the test runner and the one that the SDK's server leaves in every loop."""
    new = map(repr, asyncio.all_tasks() - before)
    return [task for task in new if "TestRunner" not in task and "sse_starlette" not in task]


def _sockets() -> set[str]:
    """The sockets of this process."""
    names = set()
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with suppress(OSError):
            names.add(str(entry.readlink()))
    return {name for name in names if name.startswith("socket:")}
