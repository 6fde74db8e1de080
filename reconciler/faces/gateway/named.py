"""Tools or prompts under the names that a client sees, with the way back. Made per server, then put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain

from reconciler.faces.gateway.definitions import Definitions, joined
from reconciler.faces.gateway.names import visible_name, visible_names
from reconciler.faces.gateway.scope import Target


class Named:
    """The definitions of one server. With `renamed` they have names for a surface of many servers, else their own."""

    def __init__(self, server_id: str, originals: Definitions, *, renamed: bool) -> None:
        self.originals = originals
        self.owners = tuple(Target(server_id, each["name"]) for each in originals)
        self.shown: Definitions = originals
        if renamed:
            self.shown = tuple({**each, "name": visible_name(server_id, each["name"])} for each in originals)
        self.targets = {each["name"]: owner for each, owner in zip(self.shown, self.owners, strict=True)}

    @cached_property
    def json(self) -> str:
        """The definitions as JSON, separated by commas."""
        return joined(self.shown)


class Together:
    """The definitions of several servers, one after the other. `targets`: visible name -> whose it is."""

    def __init__(self, parts: Sequence[Named]) -> None:
        self._parts = parts
        self.shown: Definitions = tuple(chain.from_iterable(part.shown for part in parts))
        targets: dict[str, Target] = {}
        for part in parts:
            targets.update(part.targets)
        self.targets: Mapping[str, Target] = targets
        self._meet = len(targets) < len(self.shown)
        if self._meet:
            self._name_anew()

    @cached_property
    def json(self) -> str:
        """The definitions as JSON, separated by commas."""
        if self._meet:
            return joined(self.shown)
        return ",".join(part.json for part in self._parts if part.shown)

    def _name_anew(self) -> None:
        """Cut names met: only those get other names."""
        owners = list(chain.from_iterable(part.owners for part in self._parts))
        names = visible_names((owner.server, owner.name) for owner in owners)
        originals = chain.from_iterable(part.originals for part in self._parts)
        anew = [names[owner.server, owner.name] for owner in owners]
        self.shown = tuple({**each, "name": name} for each, name in zip(originals, anew, strict=True))
        self.targets = dict(zip(anew, owners, strict=True))
