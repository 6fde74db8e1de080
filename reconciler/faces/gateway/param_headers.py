"""Arguments that travel as headers too (`x-mcp-header`, MCP 2026-07-28): what a call must show. Pure."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.mirrored import Path, Unmirrorable, argument_at, mirrored_arguments, spelt

_WRAPPED = re.compile(r"=\?base64\?(.*)\?=")
_NUMBER = re.compile(r"(-?[0-9]+)(?:\.0+)?")


@dataclass(frozen=True, slots=True)
class ParamHeader:
    """One argument that a header repeats: the way to it, the header in lower case, and its JSON type."""

    path: Path
    header: bytes
    type: str


def param_headers(schema: Any) -> tuple[ParamHeader, ...]:
    """What an input schema asks for. Nothing when it asks wrongly: clients are told not to use such a tool."""
    try:
        found = mirrored_arguments(schema)
    except Unmirrorable:
        return ()
    named = ((path, b"mcp-param-" + each.header.lower().encode(), each.kind) for path, each in found.items())
    return tuple(ParamHeader(*each) for each in named)


def mismatch(
    wanted: tuple[ParamHeader, ...],
    arguments: Mapping[str, Any],
    headers: Mapping[bytes, bytes],
    doubled: Container[bytes],
) -> str | None:
    """Why headers and arguments do not say the same; None when they do."""
    for each in wanted:
        name, value = each.header.decode().title(), argument_at(arguments, each.path)
        shown = headers.get(each.header)
        if shown is None:
            if value is not None and spelt(value) is not None:
                return f"the header {name} is missing"
            continue
        if each.header in doubled:
            return f"the header {name} came more than once"
        said = unwrapped(shown.decode("latin-1").strip())
        if said is None or not _same(each.type, value, said):
            return f"the header {name} does not say what the arguments say"
    return None


def unwrapped(text: str) -> str | None:
    """The text of a header, also of one in the form `=?base64?...?=`; None for a wrong one."""
    match = _WRAPPED.fullmatch(text)
    if match is None:
        return text
    try:
        raw = b64decode(match[1], validate=True)
        return raw.decode("utf-8") if b64encode(raw).decode("ascii") == match[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _same(kind: str, value: Any, said: str) -> bool:
    if kind == "integer" and isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        number = _NUMBER.fullmatch(said) if len(said) <= 1000 else None
        return number is not None and int(number[1]) == int(value)
    return spelt(value) == said
