"""Plan -> lines of spans, text, Markdown. No colour and no terminal: `faces/cli/paint.py` alone knows those."""
