"""A server of your own: it knows the weather. Run by the reconciler as `python weather.py`."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("weather")


@server.tool()
def forecast(city: str) -> str:
    """The weather of tomorrow in a city."""
    return f"Sunny in {city}"


@server.tool()
def alerts() -> str:
    """Warnings that hold now."""
    return "None"


if __name__ == "__main__":
    server.run()
