"""`reconciler plan`: what would change. Starts nothing, resolves nothing, writes nothing but what it was asked for."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.config.read import Reading
from reconciler.faces.cli.against import plan_against
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.planning import Ground, look, plan_on
from reconciler.faces.cli.problem_text import refuse
from reconciler.faces.cli.reach import connect
from reconciler.faces.cli.talk import data, tell
from reconciler.plan.actions import Plan
from reconciler.plan.document import patch_json, to_json
from reconciler.plan.render.markdown import render_markdown
from reconciler.plan.render.text import plan_lines
from reconciler.store.files import write_whole


@click.command("plan")
@shared("json", "markdown")
@click.option("--patch", "patch_only", is_flag=True, help="Print the RFC 7396 merge patch alone.")
@click.option("--exit-code", "--detailed-exitcode", "tell_changes", is_flag=True, help="Exit with 2 on changes.")
@click.option("--out", type=click.Path(path_type=Path), metavar="PLAN", help="Save the plan, for `apply PLAN`.")
@click.option("--against", "base", metavar="FILE|git:REF", help="Compare with this, not with what was applied.")
@click.option("--allow", type=click.Choice(["mass-delete"]), multiple=True, help="Lift a guard.")
def command(
    options: Options, patch_only: bool, tell_changes: bool, out: Path | None, base: str | None, allow: tuple[str, ...]
) -> int:
    """Show what would change; change nothing.

    Compares the file with what was applied, and with what is live where an engine runs. Nothing is started and no
    reference is resolved; the one process ever run is `git show`, for --against git:REF.
    """
    if out is not None and base is not None:
        hint = "leave out one of them"
        raise Stop(Exit.USAGE, "usage", "a plan against another base cannot be applied, so --out cannot save it", hint)
    plan = _plan(options, base, frozenset(allow))
    if isinstance(plan, Reading):
        return refuse(plan, options)
    _show(plan, options, patch_only)
    if out is not None:
        write_whole(out, to_json(plan))
        tell(f"saved in {out}; `reconciler apply {out}` applies exactly this")
    return Exit.CHANGES if tell_changes and not plan.empty else Exit.DONE


def _plan(options: Options, base: str | None, allow: frozenset[str]) -> Plan | Reading:
    sources = options.needed_sources()
    if base is not None:
        return plan_against(options, sources, base, allow)
    ground = look(options, sources)
    if not isinstance(ground, Ground):
        return ground.reading
    return plan_on(ground, ground.desired, connect(ground.state), allow=allow)


def _show(plan: Plan, options: Options, patch_only: bool) -> None:
    if patch_only:
        data(patch_json(plan))
    elif options.json:
        data(to_json(plan))
    elif options.output == "markdown":
        data(render_markdown(plan))
    else:
        data(options.paint.lines(plan_lines(plan, ascii_only=options.paint.ascii_only)))
