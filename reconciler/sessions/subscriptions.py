"""Keep hearing of changed lists in the stateless era, where they only travel on an open `subscriptions/listen`."""

from __future__ import annotations

import asyncio
import math

from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import Notify, RpcError, SessionError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LISTS = ("tools", "prompts", "resources")


async def follow_changes(session: PipeSession, on_notification: Notify, *, pause: float = FIRST_PAUSE) -> None:
    """Listen until the session ends or the server refuses; when a stream ends, listen again and report every list.

    Nothing is replayed, so a change between two streams would else be missed. Sent filter: MCP 2026-07-28,
    `subscriptions/listen`.
    """
    changing = [name for name in LISTS if _changes(session, name)]
    if session.handshake.era != "stateless" or not changing:
        return
    wanted = {"notifications": {f"{name}ListChanged": True for name in changing}}
    while await _listen(session, wanted):
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        for name in changing:
            on_notification(f"notifications/{name}/list_changed", {})


async def _listen(session: PipeSession, wanted: dict[str, dict[str, bool]]) -> bool:
    """Whether to listen again once the stream is over."""
    try:
        await session.request("subscriptions/listen", wanted, timeout=math.inf)
    except RpcError as error:
        return error.code not in (-32600, -32601, -32602)
    except SessionError:
        return False
    return True


def _changes(session: PipeSession, name: str) -> bool:
    declared = session.handshake.capabilities.get(name)
    return isinstance(declared, dict) and declared.get("listChanged") is True
