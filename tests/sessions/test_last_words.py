"""Of what a process printed last, the line is shown that says why it ended."""

from __future__ import annotations

import pytest

from reconciler.sessions.last_words import last_words
from tests.requirements import requirement

pytestmark = requirement("LIVE-2:reasons")

PYTHON = """Traceback (most recent call last):
  File "/srv/owner.py", line 3, in <module>
    s.bind(("127.0.0.1", 38999))
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
OSError: [Errno 98] Address already in use
"""
NODE = """node:events:497
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use :::3000
    at Server.setupListenHandle [as _listen2] (node:net:1817:16)
Emitted 'error' event on Server instance at:
    at process.processTicksAndRejections (node:internal/process/task_queues:82:21) {
  code: 'EADDRINUSE',
  port: 3000
}

Node.js v20.11.0
"""
NPM = """npm error code E404
npm error 404 Not Found - GET https://registry.example/nothing - Not found
npm error 404
npm error 404 Note that you can also install from a
npm error A complete log of this run can be found in: /home/jo/.npm/_logs/debug-0.log
"""
GO = """2026/11/21 19:00:00 starting
panic: runtime error: invalid memory address or nil pointer dereference

goroutine 1 [running]:
"""
RUST = """thread 'main' panicked at src/main.rs:2:5:
explicit panic
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("", ""),
        ("  \n\n", ""),
        ("the key is missing\n", "the key is missing"),
        ("first\nsecond\n\n", "second"),
        ("waiting\n}\n^^^^\n", "waiting"),
        ("^^^^\n", "^^^^"),
        ("x" * 1000, "x" * 304),
        ("error: unknown option --stdoi\n\nUsage: server [options]\n", "error: unknown option --stdoi"),
        ("fatal: not a git repository\nbye", "fatal: not a git repository"),
        (PYTHON, "OSError: [Errno 98] Address already in use"),
        (NODE, "Error: listen EADDRINUSE: address already in use :::3000"),
        (NPM, "npm error 404 Not Found - GET https://registry.example/nothing - Not found"),
        (GO, "panic: runtime error: invalid memory address or nil pointer dereference"),
        (RUST, "thread 'main' panicked at src/main.rs:2:5: explicit panic"),
    ],
)
def test_the_line_that_says_why_is_shown(printed: str, told: str) -> None:
    assert last_words(printed.splitlines()) == (f"its last words: {told}" if told else "")
