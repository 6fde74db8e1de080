"""Programs that others wrote: real servers behind us, real clients before us, and what passes between them."""
