"""The disk: configuration files as text, and one directory of state per project."""
