"""The campaign against real servers from the package indexes."""
