"""Literal secrets inside state: taken out of a JSON value, sealed, and put back. AES-256-GCM, bound to their place."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

from reconciler.model.document import Path as FieldPath
from reconciler.model.document import hidden, is_secret_path
from reconciler.model.secret import masked

_NONCE = 12


def seal(value: Mapping[str, Any], key: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """`value` with its literal secrets as `***`, and those secrets sealed under their JSON pointers."""
    sealed: dict[str, str] = {}
    return _members(value, key, sealed, ()), sealed


def unseal(value: dict[str, Any], sealed: Mapping[str, str], key: bytes | None) -> dict[str, Any]:
    """`value` with its secrets back in their places (it is changed and returned).

    Raises ValueError when the key is missing, a place is gone, or a sealed text was altered.
    """
    if sealed and key is None:
        raise ValueError("the key of the sealed values is missing")
    for pointer, secret in sealed.items():
        _put(value, pointer, _decrypt(key or b"", secret, pointer))
    return value


def seal_text(text: str, key: bytes, place: str) -> str:
    """One text sealed for one place: no other place can pass it off as its own."""
    return _encrypt(key, text, place)


def open_text(sealed: str, key: bytes, place: str) -> str:
    """The text behind it. Raises ValueError when it was altered, or sealed for another place or under another key."""
    return _decrypt(key, sealed, place)


def _put(value: Any, pointer: str, text: str) -> None:
    *parents, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    try:
        for step in parents:
            value = value[int(step)] if isinstance(value, list) else value[step]
        place = int(last) if isinstance(value, list) else last
        value[place]  # a place that is gone is not made anew
        value[place] = text
    except (KeyError, IndexError, TypeError, ValueError):
        raise ValueError(f"nothing stands at {pointer}") from None


def _is_secret(path: FieldPath) -> bool:
    depth = _server_depth(path)
    return depth > 0 and is_secret_path(path[depth:])


def _server_depth(path: FieldPath) -> int:
    """How many steps lead to the server: `document/mcpServers/<id>/...` or `ready/<id>/...`; 0 for no server."""
    if path[:1] == ("ready",):
        return 2
    return 3 if path[:2] == ("document", "mcpServers") else 0


def _pointer(path: FieldPath) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _mapped(value: Any, key: bytes, sealed: dict[str, str], path: FieldPath) -> Any:
    if isinstance(value, str):
        shown = masked(value, hidden, secret_field=_is_secret(path))
        if shown != value:
            sealed[_pointer(path)] = _encrypt(key, value, _pointer(path))
        return shown
    if len(path) == _server_depth(path):
        return _server(value, key, sealed, path)
    return _members(value, key, sealed, path)


def _members(value: Any, key: bytes, sealed: dict[str, str], path: FieldPath) -> Any:
    if isinstance(value, Mapping):
        return {name: _mapped(member, key, sealed, (*path, name)) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, key, sealed, (*path, index)) for index, item in enumerate(value)]
    return value


_SERVERS: dict[tuple[bytes, FieldPath], tuple[Any, str, Mapping[str, str]]] = {}
"""What each server was sealed as last; one that is another by now takes its place."""
_MOST_SERVERS = 1 << 14


def _server(server: Any, key: bytes, sealed: dict[str, str], path: FieldPath) -> Any:
    """Remembered: of many servers most are the same objects from one state to the next."""
    known = _SERVERS.get((key, path))
    if known is None or known[0] is not server:
        if len(_SERVERS) >= _MOST_SERVERS:
            _SERVERS.clear()
        own: dict[str, str] = {}
        shown = json.dumps(_members(server, key, own, path))
        known = _SERVERS[key, path] = (server, shown, own)
    if not known[2]:
        return server  # as most of many, it holds nothing to seal
    sealed.update(known[2])
    return json.loads(known[1])  # another one each time: what was sealed in it may be put back


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # a door: 30 ms that `plan` rarely needs

    return AESGCM(key)


def _encrypt(key: bytes, text: str, place: str) -> str:
    nonce = secrets.token_bytes(_NONCE)
    sealed = _cipher(key).encrypt(nonce, text.encode("utf-8"), place.encode("utf-8"))
    return base64.b64encode(nonce + sealed).decode("ascii")


def _decrypt(key: bytes, sealed: str, place: str) -> str:
    from cryptography.exceptions import InvalidTag  # the same door

    try:
        data = base64.b64decode(sealed, validate=True)
        if base64.b64encode(data).decode("ascii") != sealed:  # several texts would stand for the same bytes
            raise InvalidTag
        text: bytes = _cipher(key).decrypt(data[:_NONCE], data[_NONCE:], place.encode("utf-8"))
    except (InvalidTag, ValueError):
        raise ValueError(f"the sealed value at {place} was altered, or sealed under another key") from None
    return text.decode("utf-8")
