"""How people and programs see the engine."""
