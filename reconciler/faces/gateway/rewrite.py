"""URIs inside what servers answer, made the ones that a client of many servers can use. Values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.faces.gateway.names import visible_uri
from reconciler.faces.gateway.scope import Scope


def rewrite(scope: Scope, server_id: str, result: dict[str, Any]) -> dict[str, Any]:
    """`result` with visible URIs in its contents; the same object where there is nothing to do.

    Looks where the specification has resources in results: tools/call `content`, prompts/get `messages`,
    resources/read `contents`.
    """
    if scope.server is not None:
        return result
    changed = {}
    for member, mend in _MEMBERS.items():
        before = result.get(member)
        if isinstance(before, list) and (after := _mended(before, mend, server_id)) is not before:
            changed[member] = after
    return {**result, **changed} if changed else result


def rewrite_updated(scope: Scope, server_id: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The params of notifications/resources/updated with the visible URI."""
    return params if scope.server is not None else _with_uri(params, server_id)


def _mended(items: list[Any], mend: Callable[[Any, str], Any], server_id: str) -> list[Any]:
    """The list with each item mended; the same list when none had to be."""
    after = [mend(item, server_id) for item in items]
    return after if any(new is not old for new, old in zip(after, items, strict=True)) else items


def _block(block: Any, server_id: str) -> Any:
    if not isinstance(block, dict):
        return block
    match block.get("type"):
        case "resource_link":
            return _with_uri(block, server_id)
        case "resource":
            return _inside(block, "resource", _with_uri, server_id)
        case _:
            return block


def _message(message: Any, server_id: str) -> Any:
    return _inside(message, "content", _content, server_id) if isinstance(message, dict) else message


def _content(content: Any, server_id: str) -> Any:
    return _mended(content, _block, server_id) if isinstance(content, list) else _block(content, server_id)


def _inside(whole: dict[str, Any], member: str, mend: Callable[[Any, str], Any], server_id: str) -> dict[str, Any]:
    before = whole.get(member)
    after = mend(before, server_id)
    return whole if after is before else {**whole, member: after}


def _with_uri(thing: Any, server_id: str) -> Any:
    if not isinstance(thing, Mapping) or not isinstance(thing.get("uri"), str):
        return thing
    return {**thing, "uri": visible_uri(server_id, thing["uri"])}


_MEMBERS: Mapping[str, Callable[[Any, str], Any]] = {"content": _block, "messages": _message, "contents": _with_uri}
