"""What following a file has come to: written by whoever follows it, read by every face."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.problems import Problem

_REPLACED = "the host replaced this bind-mounted file; mount its directory instead to see changes"
_DEAF = "no events of saves arrive here: they are found within a second; `reconciler watch --poll` looks twice a second"


@dataclass(slots=True)
class Followed:
    """`held` says why a saved text is not applied by itself, with its place where it has one."""

    on: bool = False
    held: str | None = None
    problems: list[Problem] = field(default_factory=list)
    ours: frozenset[str] = frozenset()
    """Digests of the texts that we wrote, or that somebody applied, last: they are whole, whatever they look like."""
    replaced: bool = False
    """Whether the file that is mounted is no longer the one that the host has."""
    deaf: bool = False
    """Whether saves are found although no event told of them."""

    def believe(self, digests: Iterable[tuple[str, str]]) -> None:
        """Somebody applies these texts: who does that looked at them."""
        self.ours, self.held = frozenset(digest for _, digest in digests), None

    @property
    def remark(self) -> str | None:
        """Why saves come late or never, with the way out; None where all is well."""
        if not self.on:
            return None
        return _REPLACED if self.replaced else _DEAF if self.deaf else None
