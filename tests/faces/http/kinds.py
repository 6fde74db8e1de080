"""What a listener under test runs on: what any machine has, and what an engine has where faster things install."""

from __future__ import annotations

from typing import Any

import pytest

PLAIN, FAST = "h11-asyncio", "httptools-uvloop"


@pytest.fixture(params=[PLAIN, FAST])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": kind == FAST}
