"""`reconciler watch`: an engine that makes true whatever is saved, in this terminal or in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.client import Client
from reconciler.faces.cli.consent import show_plan
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import tell_clients, tell_it_listens
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.hosting import run_engine, start_in_background
from reconciler.faces.cli.listening import Listening, with_listening
from reconciler.faces.cli.planning import Ground, look, plan_on, rooted
from reconciler.faces.cli.problem_text import refuse
from reconciler.faces.cli.reach import connect
from reconciler.faces.cli.settle import wait_until_settled
from reconciler.faces.cli.status_text import brief_text, pending_lines
from reconciler.faces.cli.talk import ask, data, is_interactive, tell
from reconciler.faces.cli.watch_events import Teller
from reconciler.plan.document import plan_id
from reconciler.store.places import FILE_NAME, Sources, apart

DETACHED_SECONDS = 20.0


class _Watch(click.Command):
    """Understands `--auto-approve=start` beside `--auto-approve`, which takes no word after it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {"--auto-approve=start": "--auto-approve-start", "--auto-approve=all": "--auto-approve"}
        return super().parse_args(ctx, [known.get(argument, argument) for argument in args])


@click.command("watch", cls=_Watch)
@click.argument("targets", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]...")
@shared()
@click.option("--auto-approve", "yes_to_all", is_flag=True, help="A yes to everything; with `=start`, to the file now.")
@click.option("--auto-approve-start", "yes_at_start", is_flag=True, hidden=True)
@click.option("--detach", is_flag=True, help="In the background; return when servers settled or after 20 s.")
@click.option("--poll", is_flag=True, help="Look at the file again and again, where events do not arrive.")
@click.option("--background", is_flag=True, hidden=True)
@click.option("--no-follow", is_flag=True, hidden=True)
@with_listening
def command(
    options: Options,
    listening: Listening,
    targets: tuple[Path, ...],
    yes_to_all: bool,
    yes_at_start: bool,
    detach: bool,
    poll: bool,
    background: bool,
    no_follow: bool,
) -> int:
    """Make it so whenever the file is saved.

    A DIR stands for its reconciler.yaml and every *.reconciler.yaml in it, and for those that come later too. What
    would run a new command or loosen a rule waits for a yes, `reconciler approve`, while the rest of the
    same save goes live.

    An engine that runs already is told to follow the file. Ctrl-C ends the engine and every server it runs.
    """
    auto = "all" if yes_to_all else "start" if yes_at_start else "no"
    projects, directory = _projects(options, targets), _directory(targets)
    how: Any = {"poll": poll, "directory": directory}
    if background:
        return run_engine(projects, options.base, listening, follow=not no_follow, auto_approve=auto, **how)
    if auto == "no":
        auto = _ask_at_start(options, projects)
    if detach:
        return _detach(options, listening, projects, {"auto_approve": auto, **how})
    free = [sources for sources in projects if not _follow_running(options, listening, sources, auto)]
    if not free:
        return Exit.DONE
    teller = Teller(options.paint_talk, [sources.shown(sources.main) for sources in free])
    return run_engine(free, options.base, listening, follow=True, auto_approve=auto, on_ready=teller.listen, **how)


def _projects(options: Options, targets: tuple[Path, ...]) -> list[Sources]:
    """What is to be watched. Raises Stop for a directory without a file."""
    if not targets:
        return [rooted(options.needed_sources())]
    if options.files:
        raise Stop(Exit.USAGE, "usage", "files are named twice: after -f and as arguments", "leave out one of them")
    return apart(sources for target in targets for sources in _in_target(target.absolute()))


def _directory(targets: tuple[Path, ...]) -> Path | None:
    """The one directory that was named: what comes into it is hosted too."""
    return targets[0].absolute() if len(targets) == 1 and targets[0].is_dir() else None


def _in_target(target: Path) -> list[Sources]:
    if not target.is_dir():
        return [Sources(target, (), target.parent)]
    named = [target / FILE_NAME, *sorted(target.glob("*.reconciler.yaml"))]
    found = [Sources(path, (), target) for path in named if path.is_file()]
    if not found:
        hint = f"`reconciler init -f {target / FILE_NAME}` writes one"
        raise Stop(Exit.INVALID, "no-configuration", f"{target} has no {FILE_NAME} and no *.reconciler.yaml", hint)
    return found


def _ask_at_start(options: Options, projects: list[Sources]) -> str:
    """One yes for everything in the files that needs one, where a person can be asked; else it waits."""
    for sources in projects:
        state = options.state(sources)
        if not sources.main.exists() and not state.accepted.exists():
            hint = "`reconciler init` writes one"
            raise Stop(Exit.INVALID, "no-configuration", f"{sources.main} does not exist", hint)
    if not is_interactive():
        return "no"
    answers = [_ask_for(options, sources) for sources in projects]
    return "start" if any(answers) and all(answer is not False for answer in answers) else "no"


def _ask_for(options: Options, sources: Sources) -> bool | None:
    """The answer for one file, None when it needs no yes. What is asked is asked again when the file has changed."""
    shown = ""
    while True:
        ground = look(options, sources)
        if not isinstance(ground, Ground):
            refuse(ground.reading, options)
            return None
        plan = plan_on(ground, ground.desired, None)
        if not any(action.marks for action in plan.actions):
            return None
        if plan_id(plan) == shown:
            return True
        show_plan(plan, options.paint_talk)
        if not ask("Run these commands, and follow the file?"):
            tell("they wait: `reconciler approve` lists them")
            return False
        shown = plan_id(plan)


def _follow_running(options: Options, listening: Listening, sources: Sources, auto: Any) -> bool:
    """Turn following on where an engine runs already."""
    client = connect(options.state(sources))
    if client is None:
        return False
    pid = client.hello()["pid"]
    client.follow(on=True, auto_approve=auto)
    tell_it_listens(client, listening)
    tell(f"the running engine (process {pid}) follows {sources.shown(sources.main)} from now on")
    _tell_waiting(client, options)
    return True


def _detach(options: Options, listening: Listening, projects: list[Sources], how: dict[str, Any]) -> int:
    if any(connect(options.state(sources)) for sources in projects):
        how["directory"] = None  # what is hosted already stays where it is
    for sources in projects:
        if not _follow_running(options, listening, sources, how["auto_approve"]):
            client = start_in_background(sources, options.base, follow=True, listening=listening.arguments, **how)
            client.follow(on=True, auto_approve=how["auto_approve"])  # returns when the file as it is now was looked at
            tell(f"an engine follows {sources.shown(sources.main)} in the background; `reconciler stop` ends it")
            tell_clients(client)
        client = connect(options.state(sources)) or client
        report = wait_until_settled(client, DETACHED_SECONDS)
        data(f"{report['project']}: {brief_text(report)}")
        _tell_waiting(client, options)
    return Exit.DONE


def _tell_waiting(client: Client, options: Options) -> None:
    for line in pending_lines(client.status(), options.paint_talk):
        tell(line)
