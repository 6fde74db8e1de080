"""What tests of questions share: a client that can be asked, and a channel that plays a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import RpcError


class Client:
    """A Caller. It answers with `answer`, raises it when it is an error; with `never` only at `answer_now`."""

    def __init__(
        self,
        key: str,
        answer: Mapping[str, Any] | RpcError | None = None,
        *,
        never: bool = False,
        capabilities: Mapping[str, Any] | None = None,
        log_level: str | None = None,
    ) -> None:
        self.key = key
        self.capabilities = {"elicitation": {}, "sampling": {}} if capabilities is None else capabilities
        self.log_level = log_level
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.was_asked = asyncio.Event()
        self.was_left = asyncio.Event()
        self._answer = {"action": "accept"} if answer is None else answer
        self._may_answer = asyncio.Event()
        self._never = never

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        self.was_asked.set()
        try:
            if self._never:
                await self._may_answer.wait()
                self._may_answer.clear()
        finally:
            self.was_asked.clear()
            self.was_left.set()
        if isinstance(self._answer, RpcError):
            raise self._answer
        return dict(self._answer)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        self.told.append((method, params))

    def answer_now(self) -> None:
        """What was asked is answered."""
        self._may_answer.set()


class Wire:
    """A channel that sorts what is sent, and says when something was."""

    def __init__(self) -> None:
        self.full = False
        self.requests: list[dict[str, Any]] = []
        self.notifications: list[dict[str, Any]] = []
        self.answers: dict[Any, Mapping[str, Any]] = {}
        self._news = asyncio.Condition()

    def send(self, line: bytes) -> None:
        message = json.loads(line)
        if "method" not in message:
            self.answers[message["id"]] = {key: message[key] for key in ("result", "error") if key in message}
        else:
            (self.requests if "id" in message else self.notifications).append(message)
        task = asyncio.get_running_loop().create_task(self._tell())
        task.add_done_callback(lambda _: None)

    def room(self) -> asyncio.Future[None]:
        """Nobody is told when there is room again."""
        return asyncio.get_running_loop().create_future()

    async def answer(self, number: Any) -> Mapping[str, Any]:
        """What one question was answered with."""
        async with self._news:
            await self._news.wait_for(lambda: number in self.answers)
        return self.answers[number]

    async def until_requests(self, count: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(self.requests) >= count)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


def feed(session: PipeSession, **message: Any) -> bool:
    """One message of the server."""
    return session.feed(json.dumps({"jsonrpc": "2.0", **message}).encode())
