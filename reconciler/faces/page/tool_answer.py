"""What a tool answered, as much of it as is shown and kept. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.gate.showing import META, Hide, without_secrets

MOST_SHOWN = 64 * 1024
"""Characters of one answer, all its texts together."""
_BESIDE = 20
"""What a piece counts beside its texts."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of an answer: `title` says what it is where it is no text, `left` how many characters are not shown."""

    title: str
    text: str
    left: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended. `waits`: it was not run and has to be approved; `asks_back`: it wants to know more first."""

    pieces: tuple[Piece, ...]
    is_error: bool = False
    waits: str | None = None
    asks_back: bool = False


def parked_as(result: Mapping[str, Any]) -> str | None:
    """The id of the call that a result says to wait. A server can say that too, of a call that ran."""
    facts = _mapping(_mapping(result.get("_meta")).get(META))
    return facts["id"] if isinstance(facts.get("id"), str) else None


def answer_of(result: Mapping[str, Any], hide: Hide) -> Answer:
    """A CallToolResult without secrets, cut to MOST_SHOWN."""
    pieces = tuple(_fitting((Piece(hide(each.title), hide(each.text)) for each in _pieces(result, hide)), MOST_SHOWN))
    asks_back = result.get("resultType") == "input_required"
    return Answer(pieces, bool(result.get("isError")), asks_back=asks_back)


def _pieces(result: Mapping[str, Any], hide: Hide) -> Iterator[Piece]:
    content = result.get("content")
    for item in content if isinstance(content, list) else []:
        yield _piece(_mapping(item))
    if "structuredContent" in result:
        value = without_secrets(result["structuredContent"], hide)
        yield Piece("structured content", json.dumps(value, indent=2, ensure_ascii=False))
    for asked in _mapping(result.get("inputRequests")).values():
        message = _mapping(_mapping(asked).get("params")).get("message")
        yield Piece("the server asks", message if isinstance(message, str) else "something")


def _piece(item: Mapping[str, Any]) -> Piece:
    """Pictures and sounds are named with their size, and links are not followed: nothing is loaded from elsewhere."""
    kind, resource = item.get("type"), _mapping(item.get("resource"))
    if kind == "text" and isinstance(item.get("text"), str):
        return Piece("", item["text"])
    if isinstance(resource.get("text"), str):
        return Piece(f"resource {resource.get('uri', '')}", resource["text"])
    if kind in ("resource", "resource_link"):
        return Piece(f"resource {item.get('uri') or resource.get('uri', '')}", "")
    size = f", {len(item['data']) * 3 // 4} bytes" if isinstance(item.get("data"), str) else ""
    return Piece(f"{kind} {item.get('mimeType', '')}{size}", "")


def _fitting(pieces: Iterator[Piece], room: int) -> Iterator[Piece]:
    for piece in pieces:
        text, title = piece.text[:room], piece.title[:200]
        room -= len(text) + len(title) + _BESIDE
        yield Piece(title, text, len(piece.text) - len(text))
        if room <= 0:
            rest = sum(len(each.text) for each in pieces)
            if rest:
                yield Piece("more", "", rest)
            return


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
