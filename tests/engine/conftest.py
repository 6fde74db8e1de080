"""What several tests of the engine begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.engine.stage import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as made:
        yield made
