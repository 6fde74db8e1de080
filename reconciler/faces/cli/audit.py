"""`reconciler audit`: what was decided about calls that ask, by whom, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,6})([smhd])")


@click.command("audit")
@shared("json", project=True)
@click.option("--since", metavar="TIME", help="From a time on (2026-11-21T04:00), or so long ago (30m, 2h, 7d).")
def command(options: Options, since: str | None) -> int:
    """Show what was decided about calls.

    The oldest first. Rows are only ever added. Arguments are there as a digest; calls that ask nobody are not there.
    """
    rows = reach(options).audit(since=None if since is None else _moment(since))
    if options.json:
        data_json({"audit": rows})
    elif rows:
        head = ("AT", "CALLER", "SERVER", "TOOL", "DECISION", "OUTCOME", "BY")
        data(options.paint.table(head, [_cells(row, options.paint) for row in rows]))
    else:
        tell("nothing was decided")
    return Exit.DONE


def _moment(text: str) -> str:
    """A time as the engine takes it; without a zone it is the time here."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            moment = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        hint = "write 2026-11-21T04:00, or 30m, 2h, 7d"
        raise Stop(Exit.USAGE, "bad-time", f'"{text}" is no time', hint) from error
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cells(row: Mapping[str, Any], paint: Painter) -> list[tuple[str, str]]:
    at = datetime.fromisoformat(row["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    bad = row["outcome"] in ("not run", "failed", "unknown", "refused")
    by = "  ".join(paint.safe(row[name]) for name in ("who", "call", "reason") if row[name])
    return [
        (at, "muted"),
        (paint.safe(row["principal"]), "plain"),
        (paint.safe(row["server"]), "muted"),
        (paint.safe(row["tool"]), "heading"),
        (row["decision"], "plain"),
        (row["outcome"], "warning" if bad else "good"),
        (by, "muted"),
    ]
