"""The gateway on standard input and output: lines to POSTs and answers back. It starts fast and loads no engine."""
