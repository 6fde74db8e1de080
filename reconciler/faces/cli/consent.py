"""A yes to a plan: shown first, asked for at a terminal, never assumed."""

from __future__ import annotations

from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.talk import ask, is_interactive, tell
from reconciler.plan.actions import Plan
from reconciler.plan.document import plan_id
from reconciler.plan.render.text import plan_lines


def get_consent(plan: Plan, paint: Painter, *, auto_approve: bool) -> None:
    """Show the plan and get a yes to it.

    Raises Stop when there is none, and for a blocked deletion whatever was said: then nothing of the plan is applied,
    since part of a plan is not what anybody was shown.
    """
    show_plan(plan, paint)
    facts = {"plan": plan_id(plan)}
    if plan.blocked:
        ways = "; ".join(dict.fromkeys(blocked.way_out for blocked in plan.blocked))
        servers = ", ".join(server for blocked in plan.blocked for server in blocked.servers)
        raise Stop(Exit.WAITING, "blocked", f"nothing was applied: deleting {servers} is blocked", ways, facts)
    if not auto_approve:
        ask_for_yes("Apply this plan?", facts)


def ask_for_yes(question: str, facts: dict[str, str]) -> None:
    """Ask at the terminal. Raises Stop without a yes, and where nobody can be asked."""
    if not is_interactive():
        message = "nothing was applied: this needs a yes, and nobody can be asked here"
        raise Stop(Exit.WAITING, "needs-yes", message, "`--auto-approve` is a yes to all of it", facts)
    if not ask(question):
        raise Stop(Exit.WAITING, "declined", "nothing was applied", None, facts)


def show_plan(plan: Plan, paint: Painter) -> None:
    """The plan for the person at the terminal."""
    tell(paint.lines(plan_lines(plan, ascii_only=paint.ascii_only)).removesuffix("\n"))
