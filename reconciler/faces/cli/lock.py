"""`reconciler lock`: pin what the servers show, look whether it is still so, accept what changed."""

from __future__ import annotations

import click

from reconciler.client import Answer, Client
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.lock_text import accepted_lines, check_lines, diff_text
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell

_WAIT = 60
"""Seconds that servers on their way are waited for."""


@click.command("lock")
@click.argument("server", metavar="[ID]", required=False)
@shared("json", project=True)
@click.option("--check", "checks", is_flag=True, help="Exit with 2 when something is not as the lock has it.")
@click.option("--diff", "differs", is_flag=True, help="Show what changed, word by word, with nothing hidden.")
@click.option("--update", metavar="ID", help="Accept what this one server shows; no other line changes.")
def command(options: Options, server: str | None, checks: bool, differs: bool, update: str | None) -> int:
    """Pin what the tools say; show what changed since.

    Writes the lock file beside the configuration from what the live servers list: tools, prompts, resource templates,
    instructions, and what is launched. It needs a running engine, and asks the servers nothing that the engine has
    not asked. Servers with `lock: off` are left out, pins of servers that are not live stay, those of servers that
    are no longer there go.
    """
    if checks + differs + (update is not None) > 1 or (server is not None and not (checks or differs)):
        hint = "`lock`, `lock --check [ID]`, `lock --diff [ID]` or `lock --update ID`"
        raise Stop(Exit.USAGE, "usage", "one thing at a time", hint)
    client = reach(options)
    if checks or differs:
        report = _usable(client.lock(server, changes=differs, wait=_WAIT))
        return _check(report, options) if checks else _diff(report, options)
    return _accept(client, update, options)


def _usable(report: Answer) -> Answer:
    """The report of a lock that can be compared with. Raises Stop."""
    lock = report["lock"]
    if lock["problems"]:
        first = lock["problems"][0]
        message = f"the lock file cannot be used: {first['summary']}"
        raise Stop(Exit.INVALID, "lock-unusable", message, first["hint"], {"problems": lock["problems"]})
    if not lock["exists"]:
        raise Stop(Exit.INVALID, "no-lock", f"{lock['file']} does not exist", "`reconciler lock` writes it")
    return report


def _check(report: Answer, options: Options) -> Exit:
    exit_code = _verdict(report)
    if options.json:
        data_json({**report, "drift": exit_code == Exit.CHANGES})
        return exit_code
    for line in check_lines(report, options.paint):
        data(line)
    if exit_code == Exit.CHANGES:
        tell("`reconciler lock --diff` shows it; `reconciler lock --update ID` accepts what one server shows")
    return exit_code


def _verdict(report: Answer) -> Exit:
    """2 on drift; 8 where something that should be live could not be looked at."""
    standings = {row["standing"] for row in report["servers"]}
    return Exit.CHANGES if "drift" in standings else Exit.UNHEALTHY if "not-live" in standings else Exit.DONE


def _diff(report: Answer, options: Options) -> Exit:
    if options.json:
        data_json(report)
    else:
        data(diff_text(report, options.paint))
    return Exit.DONE


def _accept(client: Client, server: str | None, options: Options) -> Exit:
    before = client.lock(server, wait=_WAIT)
    expected = {row["id"]: row["offered"] for row in before["servers"] if row["offered"]}
    done = client.accept_lock(server, expected, wait=_WAIT)
    if options.json:
        data_json(done)
    else:
        for line in accepted_lines(before, done, options.paint_talk):
            tell(line)
    if server is not None and server in done["kept"]:
        return Exit.SYSTEM
    return Exit.PARTIAL if done["unpinned"] else Exit.DONE
