"""Servers of another file into this one: what comes new, what gets another id, what is here already. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from reconciler.config.ids import numbered
from reconciler.merge_patch import equal
from reconciler.model.document import TYPE_ALIASES, hidden, masked_fields
from reconciler.model.secret import BadReference, parse_template

ROOTS = ("mcpServers", "servers")
"""Where files keep their servers: ours and those of most clients, and those of some editors."""
_TAKEN_OR_OURS = frozenset({*ROOTS, "groups", "version", "project", "$schema"})


class NothingToBring(Exception):
    """The document is not one that has servers; the message says why."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A server whose id means another server here, and what it is called here."""

    id: str
    into: str
    name: str


@dataclass(frozen=True, slots=True)
class Brought:
    """What a document brings, as a merge patch and by id. `ignored` are members of it that stay where they are."""

    patch: Mapping[str, Any] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    unchanged: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def fresh(self) -> tuple[str, ...]:
        """The ids that must not be there yet."""
        return (*self.added, *(each.into for each in self.renamed))


def bring(written: Mapping[str, Any], incoming: Mapping[str, Any], apart: Collection[str] = ()) -> Brought:
    """Merge the servers and groups of `incoming` into `written`. Nothing that is here is changed.

    An id that is taken becomes `<id>-v2` with the name "Name (v2)", and so on. A server counts as the same where it
    differs at most in secrets that are stored here, and in the fields `apart`. Raises NothingToBring.
    """
    here = _in_our_words(written)
    taken = {server.lower(): server for server in here}
    entries: dict[str, Any] = {}
    added, renamed, unchanged = [], [], []
    for wanted, given in _servers(incoming).items():
        entry = given if "version" in written else translated(given)
        id, candidate = next(one for one in _candidates(wanted, entry) if _settles(one, here, taken, apart))
        known = taken.setdefault(id.lower(), id)
        if known in here:
            unchanged.append(known)
            continue
        entries[id] = candidate
        if candidate is entry:
            added.append(id)
        else:
            renamed.append(Renamed(wanted, id, candidate["name"]))
    said = {id: in_words_of(written, entry) for id, entry in entries.items()}
    patch = {"mcpServers": said, **_groups(written, incoming)} if entries else {}
    ignored = tuple(sorted(key for key in incoming if key not in _TAKEN_OR_OURS))
    return Brought(patch, tuple(added), tuple(renamed), tuple(unchanged), ignored)


def _servers(incoming: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Its servers as our file would say them."""
    roots = [root for root in ROOTS if root in incoming]
    if len(roots) != 1:
        raise NothingToBring(f"there must be either {' or '.join(ROOTS)}")
    servers = incoming[roots[0]]
    if not isinstance(servers, dict) or not all(isinstance(entry, dict) for entry in servers.values()):
        raise NothingToBring(f"{roots[0]} must be an object of objects")
    return _in_our_words({**incoming, "mcpServers": servers})


def _in_our_words(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    servers = document["mcpServers"]
    if "version" in document:
        return {id: dict(entry) for id, entry in servers.items()}
    return {id: translated(entry) for id, entry in servers.items()}


def in_words_of(written: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry in our words as the file says it. One without `version` is read by a client, which knows `disabled`."""
    if "version" in written or entry.get("enabled") is not False or "disabled" in entry:
        return dict(entry)
    return {**{key: value for key, value in entry.items() if key != "enabled"}, "disabled": True}


def translated(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a client's file in our words: for some things theirs are others."""
    fields = {key: value for key, value in entry.items() if key != "disabled"}
    if isinstance(entry.get("disabled"), bool):
        fields.setdefault("enabled", not entry["disabled"])
    elif "disabled" in entry:
        fields["disabled"] = entry["disabled"]
    if isinstance(entry.get("type"), str):
        fields["type"] = TYPE_ALIASES.get(entry["type"], entry["type"])
    return fields


def _candidates(id: str, entry: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The ids that it may get, the first that is free; under another id it has another name too."""
    yield id, entry
    name = entry["name"] if isinstance(entry.get("name"), str) else id
    yield from ((numbered(id, version), {**entry, "name": f"{name} (v{version})"}) for version in count(2))


def _settles(
    candidate: tuple[str, Any], here: Mapping[str, Any], taken: Mapping[str, str], apart: Collection[str]
) -> bool:
    """Whether an id is free, or stands for this very server."""
    id, entry = candidate
    known = taken.get(id.lower())
    if known is None or known not in here:
        return known is None
    stored, given = ({name: each[name] for name in each if name not in apart} for each in (here[known], entry))
    return _agrees(stored, masked_fields(stored, hidden), given)


def _agrees(stored: Any, shown: Any, given: Any) -> bool:
    """Whether what is given is what is stored, or what is shown of it. A secret is not compared: nobody is told it."""
    if isinstance(stored, dict) and isinstance(given, dict):
        return stored.keys() == given.keys() and all(_agrees(stored[key], shown[key], given[key]) for key in stored)
    if isinstance(stored, list) and isinstance(given, list):
        return len(stored) == len(given) and all(map(_agrees, stored, shown, given))
    if isinstance(stored, str) and isinstance(given, str):
        return given in (stored, shown) or _names_a_secret(stored)
    return equal(stored, given)


def _names_a_secret(text: str) -> bool:
    try:
        return any(reference.scheme == "secret" for reference in parse_template(text).references)
    except BadReference:
        return False


def _groups(written: Mapping[str, Any], incoming: Mapping[str, Any]) -> dict[str, Any]:
    """The groups that are not here. One that servers here are in need not be declared, and is not from outside."""
    groups = incoming.get("groups")
    joined = {server["group"].lower() for server in written["mcpServers"].values() if "group" in server}
    known = {group.lower() for group in written.get("groups", {})} | joined
    fresh = {id: group for id, group in groups.items() if id.lower() not in known} if isinstance(groups, dict) else {}
    return {"groups": fresh} if fresh else {}
