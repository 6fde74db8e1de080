"""Answers that come line by line: progress, then the result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from reconciler.faces.http.problems import as_problem

Work = Callable[[Callable[[Mapping[str, Any]], None]], Awaitable[Mapping[str, Any]]]
"""Gets where to report progress, answers the result."""


def in_lines(work: Work) -> StreamingResponse:
    """Lines of JSON: `{"progress": ...}` as they come, then `{"result": ...}` or `{"error": ..., "status": ...}`.

    The work goes on when the caller goes away: what was asked for is not left half done.
    """
    queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
    task = asyncio.create_task(_run(work, queue))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return StreamingResponse(_lines(queue), media_type="application/x-ndjson")


_running: set[asyncio.Task[None]] = set()


async def _run(work: Work, queue: asyncio.Queue[Mapping[str, Any] | None]) -> None:
    try:
        queue.put_nowait({"result": await work(lambda progress: queue.put_nowait({"progress": progress}))})
    except Exception as error:
        problem = as_problem(error)
        queue.put_nowait({**problem.body, "status": problem.status})
    finally:
        queue.put_nowait(None)


async def _lines(queue: asyncio.Queue[Mapping[str, Any] | None]) -> AsyncIterator[str]:
    while (message := await queue.get()) is not None:
        yield json.dumps(message, ensure_ascii=False) + "\n"
