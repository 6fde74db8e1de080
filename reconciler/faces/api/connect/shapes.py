"""A connection as the dialect shows it. Headers are write-only: no answer has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.engine.host import Host
from reconciler.faces.api.connect.addresses import shown
from reconciler.faces.api.connect.entries import Entry
from reconciler.faces.api.connect.status import row_of, state_of
from reconciler.model.secret import known_secrets_hidden

_THEMES = ("light", "dark")


def connection(entry: Entry, host: Host) -> dict[str, Any]:
    """`Connection` of the dialect. `createdAt` is left out before the first yes, `serverInfo` before the first
    handshake."""
    row = row_of(entry)
    info = _server_info(entry)
    created = row["createdAt"] if row else None
    return {
        "connectionId": entry.id,
        "name": entry.name,
        "mcpUrl": mcp_url(entry, host),
        "metadata": _without_secrets(entry.metadata),
        "transport": "uplink" if entry.transport == "uplink" else "http",
        **({"mock": _mock(entry.mock)} if entry.mock is not None else {}),
        "iconUrl": _icon(entry, info),
        **({"createdAt": created} if created else {}),
        "status": state_of(entry, row),
        **({"serverInfo": info} if info else {}),
    }


def mcp_url(entry: Entry, host: Host) -> str | None:
    """Where the server is: its own address, ours for one that we run, None for one that dials in."""
    if "url" in entry.written:
        return shown(entry.written["url"])
    return None if entry.transport == "uplink" else entry.endpoint(host)


def _without_secrets(value: Any) -> Any:
    """Metadata is what clients find their connections by, so that ids stay whole."""
    if isinstance(value, str):
        return known_secrets_hidden(value)
    if isinstance(value, Mapping):
        return {name: _without_secrets(member) for name, member in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def _mock(mock: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"enabled": True, **({"scenario": mock["scenario"]} if "scenario" in mock else {})}


def _icon(entry: Entry, info: Mapping[str, Any] | None) -> str | None:
    icons = info.get("icons", []) if info else []
    return entry.written.get("iconUrl") or (icons[0]["src"] if icons else None)


def _server_info(entry: Entry) -> Mapping[str, Any] | None:
    """What the server last said of itself, as far as the dialect has a place for it."""
    offer = entry.project.offers.of(entry.id)
    said = offer.handshake.server_info if offer and offer.handshake else None
    if not isinstance(said, Mapping):
        return None
    texts = {name: said[name] for name in ("title", "websiteUrl", "description") if isinstance(said.get(name), str)}
    icons = list(_icons(said.get("icons")))
    named = {name: said[name] if isinstance(said.get(name), str) else "" for name in ("name", "version")}
    return {**named, **texts, **({"icons": icons} if icons else {})}


def _icons(said: Any) -> Iterator[Mapping[str, Any]]:
    for icon in said if isinstance(said, list) else ():
        if not isinstance(icon, Mapping) or not isinstance(icon.get("src"), str):
            continue
        shape: dict[str, Any] = {"src": icon["src"]}
        if isinstance(icon.get("mimeType"), str):
            shape["mimeType"] = icon["mimeType"]
        if isinstance(icon.get("sizes"), list) and all(isinstance(size, str) for size in icon["sizes"]):
            shape["sizes"] = icon["sizes"]
        if icon.get("theme") in _THEMES:
            shape["theme"] = icon["theme"]
        yield shape
