"""The names under which a client sees what many servers offer, and the way back. Pure; the surface is built of it.

A server's id holds no `__` and ends with a letter or digit, so an uncut name splits at its first `__` in one way only,
and a cut name either begins with its own server's `<id>__` or holds no `__` at all: no server can reach into the names
of another. What is left to chance, two equal hashes, is settled by `visible_names`.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote, unquote

from reconciler.config.rules_names import LONGEST_VISIBLE, SEPARATOR

HASH_CHARACTERS = 6
_ALL_HASH_CHARACTERS = 52
"""Characters of a whole SHA-256 in base 32."""
_SCHEME = "reconciler:"


def visible_name(server_id: str, name: str, characters: int = HASH_CHARACTERS) -> str:
    """`<server>__<name>`; beyond 60 characters cut, with that many `characters` of a hash of the whole at its end."""
    whole = f"{server_id}{SEPARATOR}{name}"
    if len(whole) <= LONGEST_VISIBLE:
        return whole
    beginning = whole[: LONGEST_VISIBLE - 1 - characters].rstrip("_")
    return f"{beginning}_{_hash(whole)[:characters]}"


def visible_names(owned: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A different name for each (server id, name).

    Cut names that meet get longer hashes, all of them: none keeps a name that could be taken for another's, and the
    order in which servers came does not matter.
    """
    found = {pair: visible_name(*pair) for pair in owned}
    for characters in range(HASH_CHARACTERS + 1, _ALL_HASH_CHARACTERS + 1):
        met = Counter(found.values())
        if len(met) == len(found):
            break
        found = {
            pair: visible if met[visible] == 1 else visible_name(*pair, characters) for pair, visible in found.items()
        }
    return found


def visible_uri(server_id: str, uri: str) -> str:
    """`reconciler:<server>/<uri as it is>`; the placeholders of an RFC 6570 template stay what they are."""
    return f"{_SCHEME}{quote(server_id, safe='')}/{uri}"


def original_uri(visible: str) -> tuple[str, str] | None:
    """The server id and the URI as that server knows it; None for a URI that is not of our making."""
    if not visible.startswith(_SCHEME):
        return None
    server, slash, uri = visible.removeprefix(_SCHEME).partition("/")
    return (unquote(server), uri) if slash and server and uri else None


def _hash(text: str) -> str:
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()
