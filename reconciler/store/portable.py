"""Servers into a sealed file, and out of one of either kind. Nothing is read from the disk or written to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from reconciler.config.explorer import Remark, to_servers
from reconciler.config.explorer_back import from_servers
from reconciler.config.pack import NothingToPack, chosen, pack
from reconciler.config.unpack import check_payload
from reconciler.model.secret import SecretRef
from reconciler.store import explorer_file, export_file
from reconciler.store.export_kinds import Kind, kind_of

Stored: TypeAlias = Callable[[str], str | None]
"""The value of a stored secret, None where there is none."""

FILE_NAME = "connections-export.json"


@dataclass(frozen=True, slots=True)
class SealedServers:
    """A file, and what is in it. `missing` are secrets that nobody stored; `left_out` is what has no place in it."""

    data: bytes
    servers: tuple[str, ...]
    missing: tuple[str, ...] = ()
    left_out: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What was sealed, for `config.unpack`. `remarks` say what of another product's file did not come over."""

    payload: Mapping[str, Any]
    remarks: tuple[Remark, ...] = ()


class NotEnoughMemory(Exception):
    """The file asks for more memory than this machine gives."""

    code = "memory"
    hint = "open it on a machine with more memory, or export it again"


def seal_servers(
    written: Mapping[str, Any],
    ids: Collection[str] | None,
    passphrase: str,
    *,
    kind: Kind,
    stored: Stored,
    created: str,
) -> SealedServers:
    """The servers of a valid document, all for None. `created` is UTC, ISO 8601. Takes a quarter of a second.

    Raises NothingToPack, WeakPassphrase, ExportTooLarge, and what `stored` raises.
    """
    export_file.check_passphrase(passphrase)
    document = chosen(written, ids)
    match kind:
        case "reconciler":
            packed = pack(document, stored)
            data = export_file.seal(packed.payload, passphrase, created=created)
            return SealedServers(data, tuple(packed.payload["servers"]), packed.missing, packed.left_out)
        case "mcp-explorer":
            found = from_servers(document, created=created, look_up=lambda reference: _value(reference, stored))
            if not found.connections:
                raise NothingToPack("none of these servers can be one of MCP Explorer", str(found.left_out[0].text))
            data = explorer_file.seal(found.connections, passphrase)
            return SealedServers(data, found.servers, (), found.left_out)
        case never:
            assert_never(never)


def _value(reference: SecretRef, stored: Stored) -> str:
    """Only what is stored goes into a file: the rest is of this machine."""
    value = stored(reference.name) if reference.scheme == "secret" else None
    if value is None:
        raise LookupError(reference.name)
    return value


def open_servers(data: bytes, passphrase: str) -> Opened:
    """What a file of either kind holds. Raises ExportRefused, BadPayload, NotEnoughMemory."""
    try:
        if kind_of(data) == "mcp-explorer":
            found = to_servers(explorer_file.unseal(data, passphrase))
            opened = Opened({"servers": found.servers, "groups": found.groups}, found.remarks)
        else:
            opened = Opened(export_file.unseal(data, passphrase))
    except MemoryError:
        raise NotEnoughMemory("this machine has less memory than the file asks for") from None
    check_payload(opened.payload)
    return opened
