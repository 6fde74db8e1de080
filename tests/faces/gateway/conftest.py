"""One gateway in front of a server of each era, for tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.desk import light
from tests.faces.gateway.served import Served, program, served


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Served]:
    """`old` speaks the handshake era, `new` the stateless one; nothing asks for approval."""
    servers = {"old": light("old"), "new": program("stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as gateway:
        yield gateway
