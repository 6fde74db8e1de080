"""What the document on managing connections promises, sentence by sentence, and the steps of tests that show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

HUB = "The Connections page is your hub for all MCP server connections."
AT_ANY_TIME = (
    "From here you can add new servers, edit existing ones, group them logically, and connect or disconnect at any "
    "time."
)
LISTED = (
    "The Connections page lists all saved MCP servers with live health indicators, transport type, and connection "
    "toggles."
)
TOOLBAR = "Use the toolbar to add, import, or export connections."
NEW = "Click New Connection in the top-right corner"
FORM = "Fill in the connection form:"
SUPPORTS = (
    "The connection form supports stdio, SSE, and HTTP transports, with optional custom headers and OAuth/Azure "
    "credentials."
)
NAME = "Name, required: A friendly display name"
ENDPOINT = "Endpoint URL, required: The MCP server URL (for SSE/HTTP) or command (for stdio)"
TRANSPORT = "Transport, required: stdio, sse, or http"
GROUP = "Group, not required: Assign to a named group for organisation"
DESCRIPTION = "Description, not required: Free-text notes"
HEADERS = "Headers, not required: Custom HTTP headers (e.g. Authorization: Bearer ...)"
SAVE = "Click Save - the connection appears in the list immediately."
TOGGLE = "Click the toggle next to any connection to connect or disconnect."
BADGE = "The sidebar shows an active connections badge with a live count."
EDIT = "Click the pencil icon on any connection row to edit all fields including the name, URL, transport, and headers."
DELETE = "Click the trash icon and confirm the deletion dialog."
PERMANENT = "This is permanent."
ASSIGN = "Assign connections to named groups to keep your list organised."
SECTIONS = "Groups appear as collapsible sections in the connections list."
PROJECTS = "Useful when working with many servers across different projects."
SHARE = (
    "You can export all your connections to an encrypted JSON file and import them on another machine or share with a "
    "team."
)
EXPORT = "Export: Click Export Connections in the top toolbar, enter an encryption passphrase, download the .json file"
IMPORT = "Import: Click Import Connections, select the file, enter the passphrase, connections are merged"
ENCRYPTED = "The export file is AES-256 encrypted."
UNREADABLE = "Without the passphrase it cannot be read."
HEALTH = "Each connection row shows a live health indicator:"
CONNECTED = "Green: Connected - server is live and responding"
DISCONNECTED = "Red: Disconnected - not connected"
ERROR = "Yellow: Error - connection attempt failed (hover for the error message)"


@contextmanager
def step(*sentences: str) -> Iterator[None]:
    """A part of a test that shows these sentences; where it fails, they are told."""
    try:
        yield
    except BaseException as error:
        error.add_note("".join(f"\nto be shown: {each}" for each in sentences))
        raise
