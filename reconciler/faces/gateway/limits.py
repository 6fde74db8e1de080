"""Every cap on what clients of the gateway may send, open or leave behind, in one table. Pure."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are bytes, times are seconds. A value equal to its limit passes, one more does not."""

    body: int = 4 * MIB
    """One request."""
    bodies: int = 64 * MIB
    """All requests together that are being read or answered; beyond that a client is told to come back."""
    depth: int = 128
    """Nesting of one message."""
    batch: int = 32
    """Messages of one batch (2025-03-26 only)."""
    sessions: int = 1000
    """Sessions of clients in all; beyond that the one that was idle longest goes."""
    sessions_each: int = 500
    """Sessions of one principal."""
    idle: float = 1800.0
    """A session that asks nothing and hears nothing for so long is over."""
    running: int = 256
    """Requests of one session at a time."""
    streams: int = 4
    """Event streams of one session; a further one takes the place of the oldest."""
    listens: int = 100
    """`subscriptions/listen` streams of one principal at a time."""
    followed: int = 256
    """Resources that one session or one listen stream follows."""
    backlog: int = 1 * MIB
    """Waiting to be read on one stream; what can be missed is dropped beyond that, then the stream ends."""
    stalled: float = 30.0
    """A client that reads nothing of its stream for so long is gone."""
    questions: int = 32
    """Questions to one session that wait for an answer."""
    patience: float = 600.0
    """How long a person has for an answer: a question to a session, and a call that waits for its retry."""
    parked: int = 256
    """Calls of all clients that wait for a retry with answers."""
    parked_each: int = 32
    """The same for one principal."""
    asked: int = 32
    """Questions that one request may put to its client, one after the other."""
    check: float = 0.5
    """How often open streams are looked at: whether their token still holds, and whether the engine stops."""
    quiet: float = 15.0
    """A call or a stream that has been silent for so long says that it is alive."""
    watch: float = 0.05
    """A request that takes longer is watched: a client that goes away cancels it."""


LIMITS = Limits()
