"""Definitions as servers list them, and the JSON and digests made of them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Definition: TypeAlias = Mapping[str, Any]
Definitions: TypeAlias = tuple[Definition, ...]

LONGEST_WORD = 8192
"""Characters of a prompt's name or a URI; what is longer is not shown."""
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_SORTED_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def joined(definitions: Iterable[Definition]) -> str:
    """The definitions as JSON, separated by commas; ASCII, as everything that we send."""
    return ",".join(map(_ENCODE, definitions))


def array(parts: Iterable[str]) -> bytes:
    """A JSON array of what `joined` made."""
    return b"[" + ",".join(part for part in parts if part).encode("ascii") + b"]"


def digest_of(definitions: Iterable[Definition]) -> str:
    """Equal for equal definitions, in whatever order they and their members stand."""
    return digest_of_texts(_SORTED_ENCODE(each) for each in definitions)


def digest_of_texts(texts: Iterable[str]) -> str:
    """Equal for the same texts in any order; empty for none."""
    parts = sorted(hashlib.sha256(text.encode()).digest() for text in texts)
    return hashlib.sha256(b"".join(parts)).hexdigest() if parts else ""


def is_sound(word: Any) -> bool:
    """Whether a prompt's name or a URI can be shown: text that holds nothing unseen."""
    return isinstance(word, str) and 0 < len(word) <= LONGEST_WORD and word.isprintable()
