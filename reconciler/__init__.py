"""The reconciler: one YAML file describes every MCP server, and this package makes it true and keeps it true."""

__all__ = ["__version__"]

__version__ = "0.1.0"
