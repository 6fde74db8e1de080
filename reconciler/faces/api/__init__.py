"""HTTP APIs, one file per dialect."""
