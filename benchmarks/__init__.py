"""How fast it is, as programs that anyone can run again: `python -m benchmarks` runs all, `--quick` in seconds."""
