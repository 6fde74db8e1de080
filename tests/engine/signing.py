"""What the tests of signing in share: a clock that can be set forward, and a person with a browser."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.sessions.sign_in import renewal, sdk_oauth
from tests.engine.desk import Desk, desk
from tests.rig.oauth_server import OAuthServer


class Clock:
    """The wall clock as signing in sees it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(renewal, "time", made)
    monkeypatch.setattr(sdk_oauth, "time", made)
    yield made


def remote(server: OAuthServer, **oauth: Any) -> dict[str, Any]:
    """A written server that is signed in to."""
    return {"url": server.url, "oauth": oauth or True}


@asynccontextmanager
async def applied(folder: Path, server: OAuthServer, **oauth: Any) -> AsyncIterator[Desk]:
    """An engine whose file names that server, as `there`: it was applied, and nobody has signed in."""
    async with desk(folder, {"there": remote(server, **oauth)}) as made:
        await made.apply()
        yield made


@asynccontextmanager
async def signed_in(folder: Path, server: OAuthServer, **oauth: Any) -> AsyncIterator[Desk]:
    """The same, with a session after a person signed in."""
    async with applied(folder, server, **oauth) as made:
        await sign_in(made, server)
        yield made


def page_of(desk: Desk, name: str = "there") -> str:
    """Where the status says that a person signs in."""
    page: str | None = desk.row(name)["authUrl"]
    assert page is not None, desk.row(name)
    return page


async def until_connected(desk: Desk, *names: str) -> None:
    await desk.until(lambda: all(desk.row(name)["status"] == "connected" for name in names or ("there",)))


async def until_asked(desk: Desk, name: str = "there") -> str:
    """Wait until a person has to sign in: where."""
    await desk.until(lambda: desk.row(name)["status"] == "error" and desk.row(name)["authUrl"] is not None)
    return page_of(desk, name)


async def come_back(desk: Desk, server: OAuthServer, page: str) -> str:
    """A person signs in and the browser comes back; the id of the server that is signed in."""
    back = await server.answer(page)
    return await desk.project.sign_ins.finish(back["state"], back.get("code"), back.get("iss"), back.get("error"))


async def sign_in(desk: Desk, server: OAuthServer, name: str = "there") -> None:
    """From the file to a session that serves."""
    assert await come_back(desk, server, await until_asked(desk, name)) == name
    await until_connected(desk, name)
