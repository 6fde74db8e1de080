"""The file that `envFile:` names: NAME=value lines."""

from __future__ import annotations

import re
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_ESCAPES = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\\\": "\\"}


def read_env_file(path: Path) -> dict[str, str]:
    """Names and values. Single quotes keep text as it is, double quotes know \\n, \\t, \\" and \\\\; `#` starts a
    comment outside of quotes. Lines of another form, an open quote among them, are passed over.

    Raises OSError and UnicodeDecodeError.
    """
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig").split("\n"):
        match = _LINE.fullmatch(line)
        value = _value(match[2]) if match else None
        if match and value is not None:
            found[match[1]] = value
    return found


def _value(written: str) -> str | None:
    if single := _SINGLE.fullmatch(written):
        return single[1]
    if double := _DOUBLE.fullmatch(written):
        return re.sub(r'\\[nt"\\]', lambda match: _ESCAPES[match.group()], double[1])
    if written.startswith(("'", '"')):
        return None
    return re.split(r"(?:^|\s)#", written, maxsplit=1)[0].rstrip()
