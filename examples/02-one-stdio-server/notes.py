"""A server of your own: it keeps notes in memory. Run by the reconciler as `python notes.py`."""

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")
notes: list[str] = []


@server.tool()
def add(text: str) -> str:
    """Keep a note."""
    notes.append(text)
    return f"{os.environ.get('GREETING', 'Kept')}: {text}"


@server.tool()
def read() -> list[str]:
    """All notes."""
    return notes


server.run()
