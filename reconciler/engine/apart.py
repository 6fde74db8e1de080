"""Exactly a patch of what is accepted: other edits of the file, not taken up yet, stay so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.config.read import Source, read
from reconciler.merge_patch import apply, equal
from reconciler.model.document import Document, Facts


def accepted_with(
    accepted: Document, before: Document, after: Document, patch: Mapping[str, Any], *, first: bool = True
) -> Document:
    """The accepted document with the part of the file's change that `patch` is about.

    Where the file said what is accepted, it becomes what the file says. Where not, it becomes what is accepted with the
    patch, if that makes sense alone; else it goes on waiting with the rest of what the file says. Where nothing was
    accepted yet, the file's settings come along, `first` of all: nothing would be as the file has it without them.
    """
    changed: Mapping[str, Any] = patch.get("mcpServers") or {}
    part = {name: patch[name] for name in patch if name != "mcpServers"}
    nothing_yet = first and not accepted.settings and not accepted.servers
    settings = after.settings if nothing_yet else _settings(accepted, before, after, part)
    servers = dict(accepted.servers)
    for server in changed:
        found = _server(server, settings, accepted, before, after, changed[server])
        if found is None:
            servers.pop(server, None)
        else:
            servers[server] = found
    return accepted.with_written({**settings, "mcpServers": servers})


def _settings(accepted: Document, before: Document, after: Document, patch: Mapping[str, Any]) -> Facts:
    if not patch:
        return accepted.settings
    if equal(before.settings, accepted.settings):
        return after.settings
    patched: Facts = apply(accepted.settings, dict(patch))
    return patched if _makes_sense(patched, {}) else accepted.settings


def _server(server: str, settings: Facts, accepted: Document, before: Document, after: Document, patch: Any) -> Any:
    """What is accepted of one server afterwards; None for nothing."""
    mine, was, now = accepted.servers.get(server), before.servers.get(server), after.servers.get(server)
    if was is None or now is None or equal(was, mine):
        return now
    patched = apply(mine or {}, patch)
    return patched if _makes_sense(settings, {server: patched}) else mine


def _makes_sense(settings: Facts, servers: Mapping[str, Any]) -> bool:
    text = json.dumps({**settings, "mcpServers": servers})
    return read([Source("accepted.json", text)], default_project="default").written is not None
