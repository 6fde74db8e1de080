"""`reconciler apply`: show the plan, get a yes, hand it to the engine, wait, and say what became of it."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.faces.cli.carry_out import Order, carry_out
from reconciler.faces.cli.consent import get_consent
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import engine
from reconciler.faces.cli.exits import Exit, Stop, stale
from reconciler.faces.cli.listening import Listening, with_listening
from reconciler.faces.cli.planning import Ground, look, pins_of, plan_on
from reconciler.faces.cli.problem_text import refuse
from reconciler.faces.cli.reach import connect
from reconciler.faces.cli.result_text import nothing_done, show_result
from reconciler.faces.cli.settle import wait_until_settled
from reconciler.faces.cli.status_text import is_unhealthy
from reconciler.faces.cli.talk import data, data_json, tell
from reconciler.model.document import Document
from reconciler.plan.actions import Plan
from reconciler.plan.render.words import nothing_text
from reconciler.plan.saved import SavedPlan, read_saved, staleness, target_of


@click.command("apply")
@click.argument("plan_file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))
@shared("json")
@click.option("--auto-approve", is_flag=True, help="A yes to the whole plan, new commands included.")
@click.option("--allow", type=click.Choice(["mass-delete"]), multiple=True, help="Lift a guard.")
@click.option(
    "--on-failure",
    type=click.Choice(["continue", "stop", "rollback"]),
    default="continue",
    help="What one server's failure means for the others.",
)
@click.option("--once", is_flag=True, help="Stop the engine again if this command started it.")
@click.option("--wait", type=click.FloatRange(min=0), default=120.0, metavar="SECONDS", help="For servers to settle.")
@with_listening
def command(
    options: Options,
    listening: Listening,
    plan_file: Path | None,
    auto_approve: bool,
    allow: tuple[str, ...],
    on_failure: str,
    once: bool,
    wait: float,
) -> int:
    """Make it so, after a yes.

    Shows the plan and asks; PLAN is one that `plan --out` saved. The engine that runs carries it out, or one that is
    started in the background. A plan with a blocked deletion is not applied at all.

    Exit codes: 0 applied, 3 invalid file, 4 stale plan, 5 applied in part, 6 blocked or no yes.
    """
    order = Order(auto_approve, frozenset(allow), on_failure, once, wait, listening)
    sources = options.needed_sources()
    state = options.state(sources)
    state.ensure()
    state.ensure_key()  # so that the fingerprints in the plan shown are those that the engine makes
    ground = look(options, sources)
    if not isinstance(ground, Ground):
        return refuse(ground.reading, options)
    return _apply(ground, _read_plan(plan_file) if plan_file else None, options, order)


def _apply(ground: Ground, saved: SavedPlan | None, options: Options, order: Order) -> int:
    target = _target(ground, saved) if saved else ground.desired
    plan = plan_on(ground, target, connect(ground.state), allow=order.allow)
    if plan.empty:
        return _nothing_to_do(plan, ground, options, order)
    get_consent(plan, options.paint_talk, auto_approve=order.auto_approve)
    return show_result(carry_out(plan, ground, saved, options, order), options)


def _read_plan(path: Path) -> SavedPlan:
    saved = read_saved(path.read_text(encoding="utf-8"))
    if isinstance(saved, SavedPlan):
        return saved
    first = saved[0]
    if first.code != "plan-unreadable":
        raise Stop(Exit.STALE, first.code, f"{path}: {first.detail}", first.hint)
    raise Stop(Exit.INVALID, first.code, f"{path}: {first.detail}", f"{first.hint}; `-f FILE` names a configuration")


def _target(ground: Ground, saved: SavedPlan) -> Document:
    """Where a saved plan leads. Raises Stop when it is stale."""
    reasons = staleness(saved, ground.accepted, pins_of(ground.sources), ())
    if reasons:
        raise stale(reasons)
    target = target_of(saved, ground.accepted, ground.desired)
    if not isinstance(target, Document):
        raise stale([problem.detail for problem in target])
    return target


def _nothing_to_do(plan: Plan, ground: Ground, options: Options, order: Order) -> int:
    """The file says what was applied. It should also live: where no engine runs, one is started and looked at."""
    if options.json:
        data_json(nothing_done(plan))
    else:
        data(nothing_text(plan))
    enabled = any(ground.desired.facts(server)["enabled"] for server in ground.desired.servers)
    if not enabled or connect(ground.state) is not None:
        return Exit.DONE
    with engine(options, ground.sources, order.listening, once=order.once) as running:
        report = wait_until_settled(running, order.wait)
    unhealthy = [row["id"] for row in report["servers"] if is_unhealthy(row)]
    if unhealthy:
        tell(f"not healthy: {', '.join(unhealthy)}; `reconciler status` says why")
    return Exit.UNHEALTHY if unhealthy else Exit.DONE
