"""The server of the example."""

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")


@server.tool()
def ping() -> str:
    """Say the greeting."""
    return os.environ["GREETING"]


server.run()
