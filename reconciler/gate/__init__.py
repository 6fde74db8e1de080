"""Every tool call is decided here. The engine pushes policy in; the gate never reads a file."""
