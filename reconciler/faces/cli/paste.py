"""What to paste into a client so that it finds the gateway: the URL with the token, or the bridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reconciler.store.state_dir import base_directory

SHOW_TOKEN = "`reconciler token show --role client` prints the token"
_PLACEHOLDER = "<token>"


def paste_lines(url: str | None, file: Path, base: Path, token: str | None) -> Iterator[str]:
    """For the person who started an engine. `url` is that of the endpoint, None where the engine listens nowhere.

    `base` is where state is kept: the bridge is told where that is not the usual place.
    """
    elsewhere = [] if base == base_directory(None) else ["--state-dir", str(base)]
    bridge = {"command": "reconciler", "args": ["bridge", "-f", str(file), *elsewhere]}
    if url is None:
        yield f"clients start this, over stdio: {_snippet(bridge)}"
        return
    headers = {"Authorization": f"Bearer {token or _PLACEHOLDER}"}
    yield f"clients connect to {url}" + ("" if token else f"; {SHOW_TOKEN}")
    yield f"  paste into a client: {_snippet({'type': 'http', 'url': url, 'headers': headers})}"
    yield f"  or, where it speaks only stdio: {_snippet(bridge)}"


def _snippet(entry: object) -> str:
    return json.dumps({"mcpServers": {"reconciler": entry}})
