"""A session of the handshake era, as long as the client lives: an engine that forgot it is greeted anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.faces.bridge.headers import SESSION, VERSION
from reconciler.faces.bridge.link import Away, Gone, Link, Response
from reconciler.faces.bridge.message import Message, list_changed_lines, notification_line, on_one_line

Send: TypeAlias = Callable[[bytes], Awaitable[None]]

JSON_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}
_GREETED = notification_line("notifications/initialized")
_LOST = 404
_PAUSE = 0.1
_PAUSE_WHILE_AWAY = 2.0


class NotGreeted(Exception):
    """The engine is there and does not take the client's `initialize`; the message says why."""


@dataclass(slots=True, eq=False)
class Session:
    """What the client said at first, what the gateway made of it, and what has to be said again to another engine."""

    link: Link
    send: Send
    first: Message
    id: str | None = None
    version: str | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    _repeated: dict[str, bytes] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def headers(self) -> dict[str, str]:
        """What every message of this session carries."""
        found = {SESSION: self.id, VERSION: self.version}
        return {name: value for name, value in found.items() if value is not None}

    def opened(self, response: Response, answer: Any) -> None:
        """Keep what an answer to `initialize` says. Answers that are errors leave everything as it was."""
        result = answer.get("result") if isinstance(answer, dict) else None
        if isinstance(result, dict):
            self.id = response.headers.get(SESSION.lower())
            self.version = str(result.get("protocolVersion"))
            capabilities = result.get("capabilities")
            self.capabilities = capabilities if isinstance(capabilities, dict) else {}

    def remember(self, message: Message) -> None:
        """Keep a request that another engine has to hear too: the log level, and what is subscribed to."""
        match message.method:
            case "logging/setLevel":
                self._repeated["level"] = message.line
            case "resources/subscribe":
                self._repeated[f"uri {message.params.get('uri')}"] = message.line
            case "resources/unsubscribe":
                self._repeated.pop(f"uri {message.params.get('uri')}", None)

    async def renew(self, lost: str | None) -> None:
        """Greet the engine that does not know the session `lost`; once for all who ask. Raises NotGreeted too."""
        async with self._lock:
            if self.id != lost:
                return
            async with self.link.exchange("POST", JSON_HEADERS, self.first.line) as response:
                answer = await _answer(response)
                self.opened(response, answer)
            if self.id == lost:
                raise NotGreeted(f"the engine that is there now does not take the session: {_said(answer)}")
            for line in (_GREETED, *self._repeated.values()):
                async with self.link.exchange("POST", {**JSON_HEADERS, **self.headers}, line) as response:
                    await response.read()
        for line in list_changed_lines(self.capabilities):
            await self.send(line)

    async def listen(self) -> None:
        """Pass on what the gateway says by itself, for ever; across restarts."""
        while True:
            try:
                if not await self._listen_once():
                    return
            except Away:
                await asyncio.sleep(_PAUSE_WHILE_AWAY)
            except (Gone, NotGreeted):
                pass
            await asyncio.sleep(_PAUSE)

    async def _listen_once(self) -> bool:
        """One stream to its end; false where the gateway offers none."""
        used = self.id
        async with self.link.exchange("GET", {"Accept": "text/event-stream", **self.headers}) as response:
            if response.kind == "text/event-stream":
                async for data in response.events():
                    await self.send(on_one_line(data))
                return True
            if response.status != _LOST:
                return False
        await self.renew(used)
        return True

    async def end(self) -> None:
        """Tell the gateway that the session is over, if it can be told at once."""
        if self.id is not None:
            with suppress(Away, Gone):
                async with self.link.exchange("DELETE", self.headers) as response:
                    await response.read()


async def _answer(response: Response) -> Any:
    """The answer to a request of our own, in whichever form it comes. Raises Gone."""
    try:
        if response.kind != "text/event-stream":
            return json.loads(await response.read())
        async for data in response.events():
            message = json.loads(data)
            if "method" not in message:
                return message
    except ValueError as error:
        raise Gone(f"no JSON: {error}") from error
    raise Gone("no answer came")


def _said(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else "its answer is none"
