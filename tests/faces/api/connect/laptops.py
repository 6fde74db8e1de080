"""A laptop whose server joins by dialling in: a process of the rig, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from reconciler.engine.project import Project
from reconciler.sessions.uplink import Closed
from tests.faces.cli.hosted import Hosted
from tests.faces.http.sockets import socket
from tests.sessions.dialling import Reply, Wire, process, served

PATIENCE = 20.0


def bearer(engine: Hosted, role: Any = "editor") -> dict[str, str]:
    return {"Authorization": f"Bearer {engine.token(role)}"}


class Laptop:
    """One that dialled in."""

    def __init__(self, opened: ClientConnection) -> None:
        self.socket = opened
        self._end: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def ended(self) -> tuple[int, str]:
        """Wait until the engine hangs up: with which code, and why."""
        with anyio.fail_after(PATIENCE):
            return await asyncio.shield(self._end)

    async def relay(self, wire: Wire) -> None:
        """What the server at the other end says, and what it hears."""
        sending = asyncio.create_task(self._send(wire))
        try:
            while True:
                wire.heard.put_nowait(str(await self.socket.recv()))
        except ConnectionClosed as closed:
            self._end.set_result((closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, ""))
        finally:
            sending.cancel()

    async def _send(self, wire: Wire) -> None:
        while not isinstance(said := await wire.said.get(), Closed):
            await self.socket.send(said)


@asynccontextmanager
async def laptop(
    engine: Hosted, path: str = "/connect/desk/far", *, role: Any = "editor", reply: Reply | None = None
) -> AsyncIterator[Laptop]:
    """A server that dialled in: a process, or one that answers as `reply` says."""
    wire = Wire()
    async with (
        process(wire) if reply is None else served(wire, reply),
        socket(engine.address, path, additional_headers=bearer(engine, role)) as opened,
    ):
        made = Laptop(opened)
        work = [asyncio.create_task(made.relay(wire))]
        try:
            yield made
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def until(project: Project, holds: Callable[[], bool]) -> None:
    """Wait for something of a project to become true."""
    async with project.events.listen() as news:
        with anyio.fail_after(PATIENCE):
            while not holds():
                with anyio.move_on_after(0.02):
                    await news.get()


async def connected(engine: Hosted, server_id: str = "far") -> None:
    """Wait until the server serves."""
    project = engine.host.projects["desk"]
    await until(project, lambda: project.serving(server_id) is not None)


async def awaited(engine: Hosted, server_id: str = "far") -> str:
    """Wait until nobody serves; why."""
    project = engine.host.projects["desk"]
    await until(project, lambda: project.status_of(server_id)[0] == "disconnected")
    return project.status_of(server_id)[1]
