"""Which face answers a path, and which project the request is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote

FaceName = Literal["gateway", "own", "config", "list_servers", "connect", "page"]


@dataclass(frozen=True, slots=True)
class Place:
    """`project` is the one that is named, None where none is: then it is the root's, or, `anywhere`, everybody's."""

    face: FaceName
    project: str | None = None
    anywhere: bool = False


def place_of(path: str, query: bytes) -> Place:
    """Where a request goes. Whatever is nobody else's is a namespace of the connect dialect, which says 404 in JSON."""
    first, _, below = path[1:].partition("/")
    match first:
        case "p":
            name, _, below = below.partition("/")
            return Place(_below_project(below), name)
        case "mcp":
            return Place("gateway")
        case "api":
            return _in_api(below, query)
        case "ui":
            return Place("page")
        case "oauth" | "" | "openapi.json" | "metrics" | "readyz":
            return Place("own" if first in ("openapi.json", "metrics", "readyz") else "config")
        case "connect":
            first, _, below = below.partition("/")
    if first in ("", "namespaces", "tokens", "health", "servers"):
        return Place("connect", anywhere=True)
    return Place("connect", unquote(first), anywhere=True)


def _below_project(below: str) -> FaceName:
    first, _, rest = below.partition("/")
    if first in ("mcp", "ui"):
        return "gateway" if first == "mcp" else "page"
    if first == "metrics" and not rest:
        return "own"
    return "own" if first == "api" and (rest == "v1" or rest.startswith("v1/")) else "config"


def _in_api(below: str, query: bytes) -> Place:
    first, _, _ = below.partition("/")
    if first == "v1":
        return Place("own")
    if first == "mcp":
        named = parse_qs(query.decode("latin-1")).get("projectId", [])
        return Place("list_servers", named[0] if len(named) == 1 else None, anywhere=True)
    return Place("config")
