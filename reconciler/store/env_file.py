"""The file that `envFile:` names: NAME=value lines."""

from __future__ import annotations

import re
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_ESCAPES = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\\\": "\\"}


def read_env_file(path: Path) -> dict[str, str]:
    """Names and values. Single quotes keep text as it is, double quotes know \\n, \\t, \\" and \\\\; `#` starts a
    comment outside of quotes. Lines of another form are passed over. Raises OSError and UnicodeDecodeError.
    """
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        match = _LINE.fullmatch(line)
        if match:
            found[match[1]] = _value(match[2])
    return found


def _value(written: str) -> str:
    if len(written) >= 2 and written[0] == written[-1] == "'":
        return written[1:-1]
    if len(written) >= 2 and written[0] == written[-1] == '"':
        return re.sub(r'\\[nt"\\]', lambda match: _ESCAPES[match.group()], written[1:-1])
    return re.split(r"(?:^|\s)#", written, maxsplit=1)[0].rstrip()
