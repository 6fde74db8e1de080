"""What one listener puts up with, of each of its connections and of all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a head, for a body and between requests; connections; bytes."""

    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 30.0
    unread_seconds: float = 30.0
    """How long a client may read nothing of what waits for it."""
    connections: int = 512
    crowded_seconds: float = 0.2
    """How long a connection is kept that asks nothing while others find no place: whoever comes to ask has begun."""
    crowd: int = 128
    """So many connections that asked nothing yet are a crowd: the oldest of them is kept for no time at all."""
    head_bytes: int = 32 * 1024
    message_bytes: int = 4 * 1024 * 1024
    """Of a WebSocket: one message, the frames it may come in, frames in a second that are no whole message (beyond that
    it waits), control frames in a second, seconds between pings."""
    message_frames: int = 1024
    part_frames: int = 2048
    control_frames: int = 100
    ping_seconds: float = 20.0
