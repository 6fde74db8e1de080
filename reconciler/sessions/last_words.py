"""Which of the lines that a process printed last says why it ended. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SHOWN = 320
_RAISED = re.compile(r"(?:[\w.$]*(?:error|exception|panic|fatal)\b|thread '.*' panicked)[^:]*:", re.IGNORECASE)
"""`ValueError: bad port`, `Error: listen EADDRINUSE`, `error[E1]: ...`, `fatal: ...`, `panic: ...`"""
_NPM = re.compile(r"npm (?:error|ERR!) (?!code )\S")
_BESIDES = re.compile(r"at |Node\.js v|\W*$")
"""Lines of a stack, the version that Node tells after it, and what underlines or closes something."""


def last_words(stderr: Sequence[str]) -> str:
    """The line that tells most, with a word before it; nothing where nothing was printed.

    A stack follows what was raised (Node) or comes before it (Python): the last such line is it. npm says the cause
    first and then gives advice.
    """
    lines = [line.strip() for line in stderr if line.strip()]
    if not lines:
        return ""
    npm = [line for line in lines if _NPM.match(line)]
    raised = [line for line in lines if _RAISED.match(line)]
    plain = [line for line in lines if not _BESIDES.match(line)]
    told = npm[0] if npm else (raised or plain or lines)[-1]
    after = lines[lines.index(told) + 1 :]
    more = f" {after[0]}" if told.endswith(":") and after else ""
    return f"its last words: {told}{more}"[:_SHOWN]
