"""What to paste into a client so that it finds the gateway: the URL with the token, or the bridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reconciler.faces.http.client_entries import PLACEHOLDER, bridge_entry, endpoint_entry

SHOW_TOKEN = "`reconciler token show --role client` prints the token"


def paste_lines(url: str | None, file: Path, base: Path, token: str | None) -> Iterator[str]:
    """For the person who started an engine. `url` is that of the endpoint, None where the engine listens nowhere.

    `base` is where state is kept: the bridge is told where that is not the usual place.
    """
    bridge = _snippet(bridge_entry(file, base))
    if url is None:
        yield f"clients start this, over stdio: {bridge}"
        return
    yield f"clients connect to {url}" + ("" if token else f"; {SHOW_TOKEN}")
    yield f"  paste into a client: {_snippet(endpoint_entry(url, f'Bearer {token or PLACEHOLDER}'))}"
    yield f"  or, where it speaks only stdio: {bridge}"


def _snippet(entry: object) -> str:
    return json.dumps({"mcpServers": {"reconciler": entry}})
