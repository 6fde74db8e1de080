"""The nouns, frozen. Nothing here does I/O or reads a clock."""
