"""How a browser is handed a link to the page: in a file for its owner alone. Everybody may read a command line."""

from __future__ import annotations

from html import escape
from pathlib import Path

from reconciler.store.files import write_whole
from reconciler.store.state_dir import StateDir

_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>reconciler</title>
</head>
<body><p><a href="{url}">Go on to the page</a></p></body>
</html>
"""


def write_link_page(state: StateDir, url: str) -> Path:
    """Write the file that leads on to `url`, over the one of an earlier link. Raises OSError."""
    write_whole(state.link_page, _HTML.format(url=escape(url)), mode=0o600)
    return state.link_page


def remove_link_page(state: StateDir, word: str) -> None:
    """Take the file away once its link was used; one with another link stays."""
    try:
        if word in state.link_page.read_text(encoding="utf-8"):
            state.link_page.unlink()
    except (OSError, ValueError):
        return
