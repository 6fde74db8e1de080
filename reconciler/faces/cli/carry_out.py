"""A plan that somebody said yes to, on its way through the engine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from reconciler.client import Answer, ApiError, Client
from reconciler.config.references import names_mentioned
from reconciler.faces.cli.context import Options
from reconciler.faces.cli.engines import engine, who
from reconciler.faces.cli.exits import stale
from reconciler.faces.cli.listening import Listening
from reconciler.faces.cli.planning import Ground, look, plan_on
from reconciler.faces.cli.progress import progress
from reconciler.plan.actions import Plan, SessionDown, word
from reconciler.plan.document import plan_id
from reconciler.plan.saved import SavedPlan

_TRIES = 6
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Order:
    """How to apply: what was said on the command line. `wait` is in seconds."""

    auto_approve: bool
    allow: frozenset[str]
    on_failure: str
    once: bool
    wait: float
    listening: Listening


def carry_out(plan: Plan, ground: Ground, saved: SavedPlan | None, options: Options, order: Order) -> Answer:
    """The apply result. Raises ApiError, and Stop when the plan is stale by now."""
    with (
        engine(options, ground.sources, order.listening, once=order.once) as client,
        progress(options.paint_talk) as told,
    ):
        request: dict[str, Any] = {
            "yes": "all",
            "allow": sorted(order.allow),
            "on_failure": order.on_failure,
            "wait": order.wait,
            "who": who(),
            "environment": _offered(ground),
            "on_progress": told,
            "seen": not order.auto_approve,
        }
        if saved:
            return client.apply(saved=saved.document, **request)
        return _apply_shown(plan, ground, options, client, request)


def _offered(ground: Ground) -> dict[str, str]:
    """What our environment holds for the names that the file or what was applied mentions, and nothing else."""
    names = names_mentioned(ground.desired) | names_mentioned(ground.accepted.document)
    return {name: os.environ[name] for name in sorted(names) if name in os.environ}


def _apply_shown(plan: Plan, ground: Ground, options: Options, client: Client, request: dict[str, Any]) -> Answer:
    """Apply what was shown. Sessions come and go meanwhile, so its id may change; the yes is for its actions."""
    shown = _essence(plan)
    for _ in range(_TRIES):
        try:
            return client.apply(expected=plan_id(plan), **request)
        except ApiError as error:
            if error.code != "stale":
                raise
        time.sleep(_PAUSE)
        now = look(options, ground.sources)
        if not isinstance(now, Ground):
            break
        plan = plan_on(now, now.desired, client, allow=frozenset(request["allow"]))
        if _essence(plan) != shown:
            break
    raise stale(["the file or what is applied changed since the plan was shown"])


def _essence(plan: Plan) -> Any:
    """What a person says yes to: the actions and where they lead, not which sessions are down right now."""
    actions = [(word(a), a.server, a.patch, a.launch, sorted(a.marks)) for a in plan.actions if not _repairs(a)]
    return plan.base_digest, plan.target_digest, actions


def _repairs(action: Any) -> bool:
    return all(isinstance(reason, SessionDown) for reason in action.because)
