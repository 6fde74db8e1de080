"""Which kind of sealed file some bytes are, also when they are not whole any more. Nothing is parsed."""

from __future__ import annotations

from typing import Literal

from reconciler.store import explorer_file, export_file

Kind = Literal["reconciler", "mcp-explorer"]


def kind_of(data: bytes) -> Kind | None:
    """Ours, MCP Explorer's, or None for a file that is no sealed one that we know."""
    if export_file.is_named_in(data):
        return "reconciler"
    return "mcp-explorer" if explorer_file.is_named_in(data) else None
