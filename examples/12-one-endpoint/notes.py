"""A real server for the example: tools, and a resource."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")


@server.tool()
def add(text: str) -> str:
    """Keep a note."""
    return f"kept: {text}"


@server.tool()
def forget() -> str:
    """Throw all notes away."""
    return "gone"


@server.resource("note://today")
def today() -> str:
    """The note of the day."""
    return "Water the plants."


server.run()
