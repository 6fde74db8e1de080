"""Our own dialect below `/api/v1`, one file per noun, and the document that describes it."""
