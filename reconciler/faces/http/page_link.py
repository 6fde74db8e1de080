"""The link that lets somebody in to the page: made where a command asks for it, and where `watch` begins."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote

from reconciler.gate.principal import Principal


class _Host(Protocol):
    """What is read of the engine; that itself takes long to load, and `watch --detach` does without."""

    facts: Any
    visits: Any

    @property
    def root(self) -> Any: ...


def page_link(host: _Host, project: Any, name: str) -> str | None:
    """Lets one browser in to the page of a project, where `name` is an operator. None where no browser comes."""
    if host.facts.url is None:
        return None
    below = "" if project is host.root else f"/p/{quote(project.name, safe='')}"
    return f"{host.facts.url}{below}/ui/enter?word={host.visits.link(Principal(name, 'operator'))}"
