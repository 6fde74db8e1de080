"""The order in which the fields of a file are written: that of the schema."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.written import WrittenDocument, WrittenServer

_DOCUMENT = [field.alias or name for name, field in WrittenDocument.model_fields.items()]
_SERVER = list(WrittenServer.model_fields)


def in_order(keys: Iterable[str], path: tuple[str, ...]) -> list[str]:
    """The keys of the object at `path`; those without a place in the schema come last, as they were."""
    known = _known(path)
    rank = {name: index for index, name in enumerate(known)}
    return sorted(keys, key=lambda key: rank.get(key, len(known)) if known else 0)


def _known(path: tuple[str, ...]) -> list[str]:
    match path:
        case ():
            return _DOCUMENT
        case ("mcpServers", _):
            return _SERVER
        case _:
            return []
