"""The connect dialect: namespaces, connections, their tools, and uplinks."""
