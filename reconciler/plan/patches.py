"""The merge patches between two documents, there and back, and the part of a document that a patch is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import merge_patch
from reconciler.model.document import Document, hidden, masked_document

Patch = dict[str, Any]


def patches(base: Document, desired: Document) -> tuple[Patch, Patch]:
    """From `base` to `desired` and back (RFC 7396). Compared as they are, then every literal secret becomes `***`."""
    before, after = _whole(base), _whole(desired)
    forward = merge_patch.diff(before, after)
    # The way back needs to look only at what the way there touches.
    back = merge_patch.diff(touched(desired, forward), touched(base, forward))
    return masked_document(forward, hidden), masked_document(back, hidden)


def _whole(document: Document) -> Patch:
    return {**document.written, "mcpServers": document.servers}


def touched(document: Document, patch: Mapping[str, Any]) -> Patch:
    """The part of the written document that `patch` is about: its top-level members and its servers."""
    part = {key: document.written[key] for key in patch if key in document.written and key != "mcpServers"}
    if "mcpServers" in patch:
        servers = document.servers
        part["mcpServers"] = {name: servers[name] for name in patch["mcpServers"] if name in servers}
    return part
