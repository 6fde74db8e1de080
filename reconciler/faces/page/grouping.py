"""The group that a form names: by its id, by what people call it, or a new one, which is declared under its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.config.ids import id_of
from reconciler.config.rules_names import ID
from reconciler.model.document import Document


def names_of_groups(document: Document) -> Mapping[str, str]:
    """The groups there are, by id, with their names; one that a server names need not be declared."""
    used = {str(server["group"]): "" for server in document.servers.values() if "group" in server}
    named = {id: group.get("name", "") for id, group in document.groups.items()}
    return dict(sorted((used | named).items()))


def in_a_group(document: Document, patch: Mapping[str, Any]) -> dict[str, Any]:
    """A patch of servers in which groups are named as people type them, as the file takes it."""
    known = names_of_groups(document)
    servers: dict[str, Any] = {}
    declared: dict[str, Any] = {}
    for server, entry in patch["mcpServers"].items():
        typed = entry.get("group")
        if isinstance(typed, str):
            id = _id(known, typed)
            declared |= {id: {"name": typed}} if id not in known and id != typed else {}
            entry = {**entry, "group": id}
        servers[server] = entry
    return {**patch, "mcpServers": servers, **({"groups": declared} if declared else {})}


def _id(known: Mapping[str, str], typed: str) -> str:
    """The group that is meant; another one where none has such an id or name."""
    word = typed.casefold()
    meant = [id for id, name in known.items() if word in (id.casefold(), name.casefold())]
    if typed in known or not meant:
        return typed if typed in known or ID.fullmatch(typed) else id_of(typed)
    return meant[0]
