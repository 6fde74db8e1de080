"""The plan meets the world: one project per file, driven towards what was accepted."""
