"""Who asks: the principal of a request."""

from __future__ import annotations

from reconciler.gate.gate import Principal

OWNER = Principal("owner", "owner")
"""Whoever can use the local socket: its mode and the peer's uid were checked when the connection was made."""
