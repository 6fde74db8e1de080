"""What was last applied, as a value; `store/accepted.py` keeps it on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.document import Document


@dataclass(frozen=True, slots=True)
class Accepted:
    """The accepted document and what was decided about it.

    `lineage` names this state for ever; `serial` counts applied plans; `yeses` are the launch digests a person said
    yes to; `ready` holds, per server, the facts of the session that last got ready; `protected` the servers whose
    deletion is refused although their lines may be gone; `changed` the serial that last changed a server.
    """

    lineage: str = ""
    serial: int = 0
    document: Document = field(default_factory=Document)
    yeses: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    ready: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """False before the first apply."""
        return bool(self.lineage)
