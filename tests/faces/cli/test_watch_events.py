"""What `watch` says: a line per event, and a bell where a person is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.watch_events import Teller
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:commands")]


class Said(asyncio.Queue[dict[str, Any]]):
    """Events one after the other; `over` is set when somebody waits for more."""

    def __init__(self, *kinds: str) -> None:
        super().__init__()
        self.over = asyncio.Event()
        for kind in kinds:
            message = "echo waits for approval, called by an agent: reconciler approve call-1"
            self.put_nowait({"at": "2026-11-21T04:00:00Z", "kind": kind, "server": "a", "message": message})

    async def get(self) -> dict[str, Any]:
        if self.empty():
            self.over.set()
        return await super().get()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
        yield self


async def told(painter: Painter, capsys: pytest.CaptureFixture[str], *kinds: str) -> list[str]:
    said = Said(*kinds)
    project: Any = SimpleNamespace(events=said)
    with anyio.fail_after(5):
        telling = asyncio.create_task(Teller(painter, ["reconciler.yaml"])._tell_events(project))
        await said.over.wait()
        telling.cancel()
        await asyncio.wait({telling})
    return capsys.readouterr().err.splitlines()


async def test_on_a_terminal_the_bell_rings_when_somebody_is_waited_for_and_the_command_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = await told(Painter(width=80), capsys, "approval", "waiting", "approved")
    assert [line.startswith("\a") for line in lines] == [True, True, False]
    assert all("reconciler approve call-1" in line for line in lines)


async def test_elsewhere_it_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await told(Painter(), capsys, "approval")
    assert [line.startswith("\a") for line in lines] == [False]
