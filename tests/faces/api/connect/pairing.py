"""The official command line as it joins a server of this machine, unchanged: `smithery mcp add`, over a socket."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.npm import Packages

PATIENCE = 60.0


class Pairing:
    """One that runs. `said` is all that it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""

    async def says(self, words: str) -> None:
        """Wait until it has printed `words`, or fail when it ends before."""
        assert self._process.stdout is not None
        with anyio.fail_after(PATIENCE):
            while words not in self.said:
                more = await self._process.stdout.read(4096)
                assert more, f"it ended and had said: {self.said}"
                self.said += more.decode()

    async def interrupt(self) -> int:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it ends; its exit status."""
        assert self._process.stdout is not None
        with anyio.fail_after(PATIENCE):
            self.said += (await self._process.stdout.read()).decode()
            return await self._process.wait()


@asynccontextmanager
async def pairing(found: Packages, folder: Path, url: str, token: str, *words: str) -> AsyncIterator[Pairing]:
    """`smithery mcp add --namespace desk WORDS`, as whoever has the token; ended on the way out."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "SMITHERY_BASE_URL": url,
        "SMITHERY_UPLINK_BASE_URL": url,
        "SMITHERY_API_KEY": token,
        "SMITHERY_CONFIG_PATH": str(folder / "smithery"),
        "no_proxy": "*",
    }
    command = [found.node, str(found.inside("@smithery/cli", "dist", "index.js")), "mcp", "add", "--namespace", "desk"]
    pipe, none, both = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        *command, *words, env=environment, stdin=none, stdout=pipe, stderr=both, start_new_session=True
    )
    try:
        yield Pairing(process)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)  # and the server that it started
        await process.wait()


class Doorkeeper:
    """An address that stays while engines come and go: whoever comes in between waits for the next one."""

    def __init__(self) -> None:
        self.url = ""
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._open: set[asyncio.Task[None]] = set()

    def leads_to(self, port: int) -> None:
        self._port = asyncio.get_running_loop().create_future()
        self._port.set_result(port)

    def holds(self) -> None:
        """Nobody is let through from now on."""
        self._port = asyncio.get_running_loop().create_future()

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            there, further = await asyncio.open_connection("127.0.0.1", await asyncio.shield(self._port))
            try:
                await asyncio.wait(
                    [asyncio.create_task(_pass(reader, further)), asyncio.create_task(_pass(there, writer))],
                    return_when=asyncio.ALL_COMPLETED,
                )
            finally:
                further.close()
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def doorkeeper() -> AsyncIterator[Doorkeeper]:
    keeper = Doorkeeper()
    server = await asyncio.start_server(keeper.welcome, "127.0.0.1", 0)
    keeper.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield keeper
    finally:
        server.close()
        await keeper.close()
