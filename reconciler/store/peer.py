"""Who is at the other end of a local socket."""

from __future__ import annotations

import os
import socket
import struct
from typing import Protocol


class _Connected(Protocol):
    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


def peer_uid(connection: _Connected) -> int | None:
    """The user behind a connected unix socket (unix(7), SO_PEERCRED); None where the system cannot tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def is_our_engine(connection: _Connected) -> bool:
    """Whether an engine that we may trust with our words is there: our own, or root's."""
    return peer_uid(connection) in (None, os.getuid(), 0)
