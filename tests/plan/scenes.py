"""Plans for tests, made from YAML texts or plain values with fixed time and a known state."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from reconciler.config.read import Reading, read
from reconciler.config.read import Source as Text
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed, ObservedServer
from reconciler.model.pause import pause_of
from reconciler.model.pins import Drifted, Pins
from reconciler.plan.actions import Action, Plan, Source
from reconciler.plan.build import base_of, make_plan, nowhere
from reconciler.store.lock_file import lock_from

NOW = datetime(2026, 11, 21, 1, 22, 17, tzinfo=UTC)
LINEAGE = "11111111-2222-4333-8444-555555555555"


def keyed(text: str) -> str:
    """The fingerprint of a project whose key is known."""
    return f"***hmac:{hmac.new(b'the key of the tests', text.encode(), hashlib.sha256).hexdigest()[:12]}"


def document(servers: Mapping[str, Any] | None = None, **settings: Any) -> Document:
    """A document of these servers and settings."""
    return Document({"version": 1, **settings, "mcpServers": dict(servers or {})}, "demo", keyed)


def accepted(before: Document, *, serial: int = 41, yeses: frozenset[str] | None = None, **more: Any) -> Accepted:
    """What was applied: a yes was said to each launch in it, unless `yeses` are given."""
    launches = {before.launch_digest(name) for name in before.servers} - {None}
    given = frozenset(launch for launch in launches if launch) if yeses is None else yeses
    return Accepted(LINEAGE, serial, before, given, **more)


def plan_between(before: Document | Accepted, after: Document, **more: Any) -> Plan:
    """The plan between two documents; `more` goes to make_plan."""
    state = before if isinstance(before, Accepted) else accepted(before)
    observed = more.pop("observed", Observed())
    return make_plan(state, after, observed, more.pop("pins", Pins()), now=NOW, **more)


def only(plan: Plan) -> Action:
    """The one action of a plan."""
    (action,) = plan.actions
    return action


@dataclass(frozen=True)
class Scene:
    """One folder of tests/cases/plan."""

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> Plan:
        """before.yaml -> after.yaml, with observed.yaml, options.yaml and reconciler.lock when they are there.

        Against another base, before.lock is the lock there.
        """
        options = dict(self.options)
        text = (self.folder / "after.yaml").read_text(encoding="utf-8")
        if options.pop("unchecked", False):
            # As if the reader let everything through.
            desired, place = Document(yaml.safe_load(text), "demo", keyed), nowhere
        else:
            reading = _read(self.folder / "after.yaml")
            desired, place = reading.document(keyed), reading.place
        return make_plan(
            self._accepted(options),
            desired,
            self._observed(desired),
            _pins(self.folder / "reconciler.lock"),
            now=NOW,
            place=place,
            source=Source((("reconciler.yaml", hashlib.sha256(text.encode()).hexdigest()),), options.pop("git", None)),
            named_deletions=frozenset(options.pop("named", ())),
            allow=frozenset(options.pop("allow", ())),
            base_pins=_pins(self.folder / "before.lock") if "against" in options else None,
            **options,
        )

    def _accepted(self, options: dict[str, Any]) -> Accepted:
        path = self.folder / "before.yaml"
        if not path.exists():
            return Accepted(document=Document(default_project="demo", hide=keyed))
        before = _read(path).document(keyed)
        if "against" in options:
            return base_of(before)
        protected = frozenset(options.pop("protected", ()))
        yeses = frozenset[str]() if options.pop("forgotten", False) else None
        return accepted(before, serial=options.pop("serial", 41), yeses=yeses, protected=protected)

    def _observed(self, desired: Document) -> Observed:
        path = self.folder / "observed.yaml"
        if not path.exists():
            return Observed()
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        live = {name: {"status": "connected"} for name in desired.servers} | told
        return Observed(True, {name: _seen(name, fields) for name, fields in live.items() if fields is not None})


def scene(folder: Path) -> Scene:
    """The case in this folder."""
    options = folder / "options.yaml"
    return Scene(folder, yaml.safe_load(options.read_text(encoding="utf-8")) if options.exists() else {})


def _read(path: Path) -> Reading:
    reading = read([Text("reconciler.yaml", path.read_text(encoding="utf-8"))], default_project="demo")
    assert reading.written is not None, reading.problems
    return reading


def _pins(path: Path) -> Pins:
    return lock_from(path.read_bytes(), path.name) if path.exists() else Pins()


def _seen(name: str, fields: Mapping[str, Any]) -> ObservedServer:
    since = fields.get("since")
    return ObservedServer(
        name,
        fields["status"],
        spec=fields.get("spec"),
        down=fields.get("down"),
        since=datetime.fromisoformat(since) if since else None,
        drift=tuple(Drifted(**each) for each in fields.get("drift", ())),
        paused=pause_of(**fields["paused"]) if "paused" in fields else None,
    )
