"""Exported files: what each opens to, or why it is refused. `make` writes them, `read.mjs` reads them in Node.js."""
