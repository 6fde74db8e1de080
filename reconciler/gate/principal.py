"""Who calls and who decides, and the answer to what may not be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "client", "editor", "operator", "owner"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `owner` is whoever can use the engine's local socket."""

    name: str
    role: Role


class Refused(Exception):
    """The call does not run; the message says why and what would let it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
