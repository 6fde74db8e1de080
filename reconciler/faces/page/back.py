"""Where one goes back to from something that did not work: the page of ours that its address is below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.engine.host import Host

_PAGES: Mapping[str, str] = {
    "approvals": "the approvals",
    "plan": "the plan",
    "events": "the events",
    "clients": "the clients",
    "new": "the form",
    "import": "the import",
    "export": "the export",
}


@dataclass(frozen=True, slots=True)
class Back:
    """A page of ours: its address, and what it is called in "Back to ..."."""

    at: str = "/ui/"
    name: str = "the connections"


def back_from(path: str, host: Host) -> Back:
    """The page of a server, or the view, that an address is below; the connections of its project where there is none,
    and where it is that page itself that did not work. Nothing of the address is taken over that is not ours."""
    named, below = path.removeprefix("/p/").split("/", 1) if path.startswith("/p/") else (host.root.name, path)
    project = host.projects.get(named)
    if project is None:
        return Back()
    base = "/ui" if project is host.root else f"/p/{named}/ui"
    view, _, rest = below.strip("/").removeprefix("ui").strip("/").partition("/")
    server, _, rest_of_server = rest.partition("/")
    if view == "servers" and rest_of_server and server in project.ledger.document.servers:
        return Back(f"{base}/servers/{server}", server)
    if view in _PAGES and rest:
        return Back(f"{base}/{view}", _PAGES[view])
    return Back(f"{base}/")
