"""An agent whose call waits while somebody looks at the page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

from tests.faces.cli.test_approvals import Agent
from tests.faces.page.browser import Engine
from tests.waiting import becomes_true

SECONDS = 60


@contextmanager
def calling(engine: Engine, tool: str, arguments: Mapping[str, Any]) -> Iterator[None]:
    """While an agent calls a tool that waits for a yes."""
    with patch.dict(os.environ, RECONCILER_STATE_DIR=str(engine.folder / "state")):
        agent = Agent(cast(Any, engine))
    call = agent.call(tool, **arguments)
    try:
        assert becomes_true(lambda: agent.waits.is_set() or call.done(), SECONDS)
        assert not call.done(), call.exception() or call.result()
        yield
    finally:
        agent.go_away()
