"""Conditions: what is so of a server or of the files, since when, and why. Each has a time of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reconciler.problems import Problem, errors

SOURCE = ""
"""What stands for the files where a server would have its id."""


class Fact(NamedTuple):
    """One condition as it is now: whether it `holds`, a word for programs and a sentence for people."""

    type: str
    holds: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Known:
    facts: dict[str, tuple[bool, datetime]]
    looked: datetime


class Transitions:
    """When each condition last came to hold, or to hold no more, as far as somebody looked or noted it."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def remember(self, report: dict[str, Any] | None) -> None:
        """Go on from the last report: what is still so has been so all the time."""
        if report is None:
            return
        shown = [(row["id"], row.get("conditions", ())) for row in report.get("servers", ())]
        for about, conditions in [*shown, (SOURCE, report.get("source", {}).get("conditions", ()))]:
            facts = {
                each["type"]: (each["status"] == "True", datetime.fromisoformat(each["lastTransitionTime"]))
                for each in conditions
                if each["lastTransitionTime"]
            }
            self._known[about] = _Known(facts, datetime.min.replace(tzinfo=UTC))

    def forget(self, server_id: str) -> None:
        """The server is gone; one that comes later under the same id is another."""
        self._known.pop(server_id, None)

    def note(self, about: str, facts: Iterable[Fact], at: datetime) -> None:
        """These are so now, `at` the moment at which they came to be; the others are looked at later."""
        known = self._known.get(about) or _Known({}, datetime.min.replace(tzinfo=UTC))
        changed = {
            fact.type: (fact.holds, at) for fact in facts if known.facts.get(fact.type, (None,))[0] != fact.holds
        }
        self._known[about] = _Known(known.facts | changed, known.looked)

    def shown(
        self, about: str, facts: Sequence[Fact], *, generation: int, changed: datetime, now: datetime
    ) -> list[dict[str, Any]]:
        """The facts as conditions. `generation` is what they were seen at, `changed` when something about them changed
        last: what is another since the last look is so since then, where that came later."""
        known = self._known.get(about)
        since = changed if known is None or changed > known.looked else now
        before = known.facts if known is not None else {}
        dated = {}
        for fact in facts:
            held, at = before.get(fact.type, (not fact.holds, since))
            dated[fact.type] = (fact.holds, at if held == fact.holds else since)
        self._known[about] = _Known(dated, now)
        return [shown(fact, generation, dated[fact.type][1]) for fact in facts]


def shown(fact: Fact, generation: int, since: datetime | None) -> dict[str, Any]:
    """A condition as status has it."""
    return {
        "type": fact.type,
        "status": "True" if fact.holds else "False",
        "reason": fact.reason,
        "message": fact.message,
        "observedGeneration": generation,
        "lastTransitionTime": since.isoformat(timespec="milliseconds").replace("+00:00", "Z") if since else None,
    }


def phase_facts(phase: str, reason: str, *, serves: bool) -> Iterator[Fact]:
    """What is so of a server by what its worker has come to; `serves` where a session takes calls."""
    yield Fact("Ready", serves, "Serving" if serves else phase, "" if serves else reason)
    yield Fact("Reconciling", phase in ("Connecting", "Draining", "Backoff"), phase, "")
    yield Fact("Stalled", phase == "Stalled", phase, reason if phase == "Stalled" else "")


def source_facts(problems: Sequence[Problem], held: str | None, serial: int) -> Iterator[Fact]:
    """What is so of the files: whether they can be taken up, and whether something older than they serves instead."""
    wrong = errors(problems)
    if not wrong and held is None:
        yield Fact("SourceValid", True, "Valid", "")
        yield Fact("ServingLastGood", False, "Valid", "")
        return
    reason, why = ("HasErrors", _words(wrong)) if wrong else ("NotBelieved", held or "")
    yield Fact("SourceValid", False, reason, why)
    if serial:
        yield Fact("ServingLastGood", True, reason, f"serial {serial} goes on: {why}")
    else:
        yield Fact("ServingLastGood", False, "NothingApplied", "")


def _words(wrong: Sequence[Problem]) -> str:
    first = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{f'{first.place}: ' if first.place else ''}{first.detail}{more}"
