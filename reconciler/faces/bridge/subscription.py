"""A stream of changes in the stateless era (`subscriptions/listen`), held across restarts of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.faces.bridge.carrier import Carrier, refusal
from reconciler.faces.bridge.link import Gone, Response
from reconciler.faces.bridge.message import Message, is_answer, json_object, on_one_line, subscribed_lines

_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_PAUSE = 0.2


@dataclass(slots=True, eq=False)
class Subscription:
    """What a client listens to, until it cancels that. It hears one acknowledgement, the first."""

    carrier: Carrier
    message: Message
    _acknowledged: bool = False

    async def hold(self) -> None:
        """Open the stream, and again whenever it ends. Raises Away, and Gone before it was acknowledged."""
        while True:
            try:
                headers = self.carrier.headers(self.message)
                async with self.carrier.link.exchange("POST", headers, self.message.line) as response:
                    if await self._pass_on(response):
                        return
            except Gone:
                if not self._acknowledged:
                    raise
            await asyncio.sleep(_PAUSE)

    async def _pass_on(self, response: Response) -> bool:
        """Send on one stream; true when that was the end of it for the client too."""
        if response.kind != "text/event-stream":
            body = await response.read()
            line = refusal(self.message, response.status, body) if response.status >= 400 else on_one_line(body)
            await self.carrier.send(line)
            return True
        async for data in response.events():
            value = json_object(data)
            if is_answer(value):
                ends = "error" in value or not self._acknowledged
                if ends:
                    await self.carrier.send(on_one_line(data))
                return ends
            for line in self._lines(data, value):
                await self.carrier.send(line)
        return False

    def _lines(self, data: bytes, value: Mapping[str, Any]) -> list[bytes]:
        """What the client hears: instead of a second acknowledgement, that everything may have changed."""
        if value.get("method") != _ACKNOWLEDGED:
            return [on_one_line(data)]
        if self._acknowledged:
            params = value.get("params")
            honoured = params.get("notifications") if isinstance(params, dict) else None
            return subscribed_lines(honoured if isinstance(honoured, dict) else {}, self.message.id)
        self._acknowledged = True
        return [on_one_line(data)]
