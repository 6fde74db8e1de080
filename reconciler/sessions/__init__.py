"""Live MCP connections. The only folder that imports `mcp.client`, and that only for remote servers."""
