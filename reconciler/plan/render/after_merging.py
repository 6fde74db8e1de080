"""What each person has to do once a change is merged: yeses, sign-ins, variables and secrets to set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.document import RECONNECT_FIELDS, Document, Facts, references_in
from reconciler.plan.actions import PROJECT, Create, Enable, Plan, Reconnect


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do, the servers it is for, and what it is about there (ours and theirs kept apart)."""

    to_do: str
    server: str
    about: tuple[str, ...] = ()


def duties(plan: Plan) -> list[Duty]:
    """Everything that waits for a person, in the order in which it is met."""
    found = [Duty("say yes", action.server, action.notes) for action in plan.actions if action.notes]
    for action in plan.actions:
        if action.server != PROJECT and isinstance(action, Create | Enable | Reconnect):
            found += _needs(plan, action.server)
    return found


def _needs(plan: Plan, server_id: str) -> Iterator[Duty]:
    after, before = plan.desired.facts(server_id), _live_before(plan.base, server_id)
    if not after["enabled"]:
        return
    if _signs_in(after) and not (before and _signs_in(before) and before.get("url") == after.get("url")):
        yield Duty("sign in", server_id)
    names = _names(after) - _names(before or {})
    if variables := sorted(name for scheme, name in names if scheme == "env"):
        yield Duty("set in the environment", server_id, tuple(variables))
    if secrets := sorted(name for scheme, name in names if scheme == "secret"):
        yield Duty("put into the vault", server_id, tuple(secrets))
    if files := sorted(name for scheme, name in names if scheme == "file"):
        yield Duty("have the file", server_id, tuple(files))


def _live_before(base: Document, server_id: str) -> Facts | None:
    before = base.facts(server_id) if server_id in base.servers else None
    return before if before and before["enabled"] else None


def _signs_in(facts: Facts) -> bool:
    oauth = facts["oauth"]
    return bool(oauth) and not (isinstance(oauth, dict) and oauth.get("grant") == "client_credentials")


def _names(facts: Facts) -> set[tuple[str, str]]:
    """Scheme and name of every reference, and the forwarded names."""
    forwarded = {("env", name) for name, value in facts.get("env", {}).items() if not isinstance(value, str)}
    references = references_in({name: facts[name] for name in RECONNECT_FIELDS if name in facts})
    parts = (text.strip("${}").partition(":") for text in references)
    return forwarded | {(scheme, name) for scheme, _, name in parts if name}
