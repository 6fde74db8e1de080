"""What a yes is about, bound by one digest: who calls, the server and the tool as they are, the arguments. Pure.

What was approved is what runs: the arguments that are sent come out of the text that was bound.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reconciler.canonical import canonical, digest
from reconciler.gate.principal import Refused

_SAFE_INTEGER = 2**53 - 1


@dataclass(frozen=True)
class Content:
    """One call. `spec` is the digest of what serves it, `definition` that of the tool as last listed ("" when it was
    not), `arguments` the canonical JSON (RFC 8785)."""

    principal: str
    server: str
    spec: str
    definition: str
    tool: str
    arguments: str

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the canonical JSON of all of it."""
        return digest(
            {
                "principal": self.principal,
                "server": self.server,
                "spec": self.spec,
                "definition": self.definition,
                "name": self.tool,
                "arguments": read_canonical(self.arguments),
            }
        )

    @property
    def arguments_digest(self) -> str:
        """SHA-256 of the arguments alone."""
        return "sha256:" + hashlib.sha256(self.arguments.encode("utf-8")).hexdigest()


def canonical_arguments(arguments: Mapping[str, Any]) -> str:
    """The text that is bound. Raises Refused where there is none: then nothing can be said yes to."""
    try:
        text = canonical(dict(arguments))
        text.encode("utf-8")  # half characters have no canonical form (RFC 8785 section 3.2.2.2)
    except (ValueError, TypeError, RecursionError) as error:
        why = "a text holds half a character" if isinstance(error, UnicodeError) else str(error)
        raise Refused("bad-arguments", f"the arguments have no canonical form: {why}") from error
    return text


def read_canonical(text: str) -> Any:
    """The value of a canonical text: its canonical form is that text again."""
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    """Doubles from 2^53 to 10^21 are written like integers (ECMA-262 Number::toString)."""
    value = int(digits)
    return value if abs(value) <= _SAFE_INTEGER else float(digits)
