"""Hear of changed lists from a remote server of the stateless era: a stream that is opened again whenever it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from reconciler.sessions.session import RpcError, SessionError

LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
FIRST_WAIT, LONGEST_WAIT, STABLE = 1.0, 60.0, 60.0
"""Seconds: until the stream is opened again, at most, and how long it must stand to start over with the first."""

_KINDS = ("tools", "prompts", "resources")


def changing_lists(capabilities: Mapping[str, Any]) -> list[str]:
    """The kinds of lists of which a server says that it tells when they change."""
    found = ((kind, capabilities.get(kind)) for kind in _KINDS)
    return [kind for kind, value in found if isinstance(value, dict) and value.get("listChanged") is True]


def filter_for(kinds: list[str]) -> dict[str, Any]:
    """The params of `subscriptions/listen` (MCP 2026-07-28, basic/utilities/subscriptions)."""
    return {"notifications": {f"{kind}ListChanged": True for kind in kinds}}


async def keep_listening(listen: Callable[[], Awaitable[object]], ended: Callable[[SessionError], None]) -> None:
    """Call `listen`, which returns or raises SessionError when its stream ends, again and again.

    Returns when the server refuses the subscription (RpcError). `ended` hears of every other end.
    """
    loop, wait = asyncio.get_running_loop(), FIRST_WAIT
    while True:
        began = loop.time()
        try:
            await listen()
            ended(SessionError("The server ended the subscription."))
        except RpcError:
            return
        except SessionError as error:
            ended(error)
        wait = FIRST_WAIT if loop.time() - began > STABLE else wait
        await asyncio.sleep(wait * random.uniform(0.5, 1))
        wait = min(2 * wait, LONGEST_WAIT)
