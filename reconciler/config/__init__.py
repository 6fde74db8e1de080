"""Text <-> model: reading with every problem at once, and writing back without touching what did not change."""
