"""Says which of its variables are set, and how long they are; never what they hold."""

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("reporter")


@server.tool()
def report() -> str:
    """Name and length of each variable."""
    return ", ".join(f"{name}: {len(os.environ.get(name, ''))}" for name in ("API_TOKEN", "REGION", "LICENSE"))


server.run()
