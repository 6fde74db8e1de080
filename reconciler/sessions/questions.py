"""Requests that a server makes of us: answered through a hook, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from reconciler.sessions.session import RpcError

Answer: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Method and params of a server's request -> the `result` object; raises RpcError to refuse."""

INTERNAL_ERROR = -32603
BUSY = -32000


class Questions:
    """Questions being answered, by their id. `send` takes the answers as messages."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None], answer: Answer, most: int) -> None:
        self._send = send
        self._answer = answer
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._open: dict[int | str, asyncio.Task[None]] = {}

    def ask(self, number: Any, method: str, params: Mapping[str, Any]) -> None:
        """Take a question; its answer follows later, or at once where it needs no thought."""
        if not isinstance(number, int | str):
            return
        if method == "ping":
            self._send({"jsonrpc": "2.0", "id": number, "result": {}})
        elif len(self._open) >= self._most or number in self._open:
            self._refuse(number, {"code": BUSY, "message": "Too many requests at a time"})
        else:
            task = self._loop.create_task(self._reply(number, method, params))
            self._open[number] = task
            task.add_done_callback(lambda _: self._open.pop(number, None))

    def withdraw(self, number: Any) -> bool:
        """Stop answering one; False when there is no such question."""
        task = self._open.get(number) if isinstance(number, int | str) else None
        return task.cancel() if task else False

    def close(self) -> None:
        """Stop answering."""
        for task in self._open.values():
            task.cancel()

    async def _reply(self, number: int | str, method: str, params: Mapping[str, Any]) -> None:
        try:
            result = await self._answer(method, params)
        except RpcError as error:
            self._refuse(number, error.error)
        except Exception as error:
            self._refuse(number, {"code": INTERNAL_ERROR, "message": "The question could not be answered"})
            self._loop.call_exception_handler({"message": "a server's question failed", "exception": error})
        else:
            self._send({"jsonrpc": "2.0", "id": number, "result": result})

    def _refuse(self, number: int | str, error: Mapping[str, Any]) -> None:
        self._send({"jsonrpc": "2.0", "id": number, "error": dict(error)})
