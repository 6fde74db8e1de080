"""A server at a URL, for the example: `python server.py PORT`."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("adder")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


server.run("streamable-http", port=int(sys.argv[1]))
