"""A real server for the example."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")


@server.tool()
def ping() -> str:
    """Say that it is there."""
    return "pong"


server.run()
