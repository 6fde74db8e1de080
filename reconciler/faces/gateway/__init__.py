"""The gateway: one MCP endpoint in front of every session of a project."""
