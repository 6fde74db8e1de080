"""An engine in this process with all its listeners, and whoever comes in over TCP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio

from reconciler.engine.host import Host
from reconciler.faces.cli.engine import serve
from reconciler.faces.cli.listening import Listening
from reconciler.faces.http.address import Address
from reconciler.store.places import Sources
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import Role, create_token
from tests.faces.http.raw import Answer, ask

ANY_PORT = Listening("127.0.0.1:0")


class Hosted:
    """An engine that runs. Tokens are made when they are asked for."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.state: StateDir = host.root.state
        self._tokens: dict[str, str] = {}

    @property
    def address(self) -> Address:
        parts = urlsplit(self.host.facts.url or "")
        assert parts.hostname is not None
        assert parts.port is not None
        return Address(parts.hostname, parts.port)

    def token(self, role: Role) -> str:
        """One token of each role, named as `<role>-token`."""
        if role not in self._tokens:
            self._tokens[role] = create_token(self.state, role, f"{role}-token")[1]
            self.host.root.tokens.look()
        return self._tokens[role]

    async def ask(
        self, method: str, path: str, role: Role | None = None, body: Any = None, /, **headers: str
    ) -> Answer:
        """One request of whoever has the role; without a role it shows no token."""
        return await ask(self.address, self.request(method, path, role, body, **headers))

    def request(self, method: str, path: str, role: Role | None = None, body: Any = None, /, **headers: str) -> bytes:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"host": "localhost", "content-length": str(len(data)), "content-type": "application/json"}
        if role is not None:
            fields["authorization"] = f"Bearer {self.token(role)}"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data


@asynccontextmanager
async def hosted(
    folder: Path,
    servers: dict[str, Any] | None = None,
    *projects: str,
    listening: Listening = ANY_PORT,
    directory: bool = False,
) -> AsyncIterator[Hosted]:
    """An engine for a project called `desk`, and for further ones without servers; or for all of the `directory`."""
    files = [_written(folder, name, servers or {} if name == "desk" else {}) for name in ("desk", *projects)]
    up: asyncio.Future[Host] = asyncio.get_running_loop().create_future()

    async def ready(host: Host) -> None:
        up.set_result(host)

    sources = [Sources(file, (), folder) for file in files]
    task = asyncio.create_task(
        serve(
            sources,
            folder / "state",
            listening,
            follow=False,
            auto_approve="no",
            poll=False,
            on_ready=ready,
            directory=folder if directory else None,
        )
    )
    try:
        await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]  # both are futures
        if task.done():
            await task
        yield Hosted(up.result())
    finally:
        if up.done():
            up.result().stopping.set()
        with anyio.fail_after(20):
            await asyncio.wait({task})


def _written(folder: Path, name: str, servers: dict[str, Any]) -> Path:
    file = folder / f"{name}.reconciler.yaml"
    file.write_text(json.dumps({"version": 1, "project": name, "mcpServers": servers}), encoding="utf-8")
    return file
