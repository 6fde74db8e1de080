"""A client's lines, in order, to the gateway, and what comes back to its lines. It knows both eras, decides nothing."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field

from reconciler.faces.bridge.carrier import Carrier
from reconciler.faces.bridge.link import Away, Gone, Link
from reconciler.faces.bridge.message import FAILED, INVALID_REQUEST, PARSE_ERROR, Message, error_line, parse
from reconciler.faces.bridge.session import NotGreeted, Send
from reconciler.faces.bridge.stdio import MAX_LINE
from reconciler.faces.bridge.subscription import Subscription

_AWAY = "no engine runs; `reconciler watch` starts one"
_GONE = "the engine went away while this was running; whether it was carried out is not known"
_FAREWELL = 0.5  # seconds that an engine has to hear that a session is over


@dataclass(slots=True, eq=False)
class Bridge:
    """One client. `take` gets its lines in order; what is for the client goes to `send`, a line each."""

    link: Link
    send: Send
    _carrier: Carrier = field(init=False)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _streams: set[str] = field(default_factory=set)
    _listening: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._carrier = Carrier(self.link, self.send)

    async def take(self, line: bytes | None) -> None:
        """Take one line, None for one that was too long; returns when the next may be looked at."""
        if line is None:
            await self.send(error_line(None, INVALID_REQUEST, f"a line may have {MAX_LINE} bytes"))
            return
        try:
            message = parse(line)
        except ValueError as error:
            await self.send(error_line(None, PARSE_ERROR, f"the line is not JSON: {error}"))
            return
        if message is None:
            await self.send(error_line(None, INVALID_REQUEST, "a line holds one message, which is an object"))
        elif message.kind == "request":
            await self._begin(message)
        elif message.method == "notifications/cancelled":
            await self._cancel(message)
        else:
            await self._tell(message)

    async def settled(self) -> None:
        """Return once every request has its answer. A stream of changes has none, and is not waited for."""
        while tasks := [task for key, task in self._running.items() if key not in self._streams]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Drop what is running and end the session."""
        tasks = [*self._running.values(), *([self._listening] if self._listening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._carrier.session is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._carrier.session.end(), _FAREWELL)
        self.link.close()

    async def _begin(self, message: Message) -> None:
        """Carry a request beside the others; what comes after `initialize` needs what that answers."""
        task = asyncio.create_task(self._request(message))
        self._running[message.key] = task
        (self._streams.add if message.method == "subscriptions/listen" else self._streams.discard)(message.key)
        task.add_done_callback(lambda ended: self._forget(message.key, ended))
        if message.method == "initialize":
            await asyncio.wait([task])

    def _forget(self, key: str, task: asyncio.Task[None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]

    async def _request(self, message: Message) -> None:
        try:
            if message.method == "subscriptions/listen":
                await Subscription(self._carrier, message).hold()
            else:
                await self._carrier.carry(message)
        except Away:
            await self.send(error_line(message.id, FAILED, _AWAY, reason="engine-away"))
        except Gone as error:
            await self.send(error_line(message.id, FAILED, _GONE, reason="engine-gone", detail=str(error)))
        except NotGreeted as error:
            await self.send(error_line(message.id, FAILED, str(error), reason="session-lost"))

    async def _cancel(self, message: Message) -> None:
        """In the handshake era the gateway is told; in the stateless one the end of the exchange tells it."""
        task = self._running.get(json.dumps(message.params.get("requestId")))
        if task is not None:
            if self._carrier.session is not None:
                await self._tell(message)
            task.cancel()

    async def _tell(self, message: Message) -> None:
        with suppress(Away, Gone):  # nobody waits for an answer that could say so
            await self._carrier.tell(message)
        session = self._carrier.session
        if message.method == "notifications/initialized" and session is not None:
            if self._listening is not None:
                self._listening.cancel()
            self._listening = asyncio.create_task(session.listen())
