"""`reconciler doctor`: what keeps it from working, each finding with the way out. Runs and contacts no server."""

from __future__ import annotations

import click

from reconciler.faces.cli.checks import Finding, examine
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.talk import data, data_json, tell

_SIGNS = {"ok": ("✓", "ok", "good"), "warn": ("!", "!", "warning"), "fail": ("✗", "x", "bad")}
"""Level -> sign, sign in ASCII, role."""


@click.command("doctor")
@shared("json")
def command(options: Options) -> int:
    """Look for what keeps it from working.

    Looks at the system, the file, the state directory, a running engine, the commands and variables that the file
    names, and whether saved files are noticed here. Exit code 1 when something fails.
    """
    findings = list(examine(options))
    failed = sum(finding.level == "fail" for finding in findings)
    if options.json:
        data_json({"findings": [finding.to_json() for finding in findings]})
    else:
        for finding in findings:
            for line in _lines(finding, options.paint):
                data(line)
        tell(f"{failed} of {len(findings)} checks failed" if failed else f"{len(findings)} checks, nothing in the way")
    return Exit.SYSTEM if failed else Exit.DONE


def _lines(finding: Finding, paint: Painter) -> list[str]:
    sign, plain, role = _SIGNS[finding.level]
    first = f"{paint.role(paint.either(sign, plain).ljust(2), role)} {finding.subject}: {paint.safe(finding.message)}"
    return [first, *([f"   {paint.role(paint.safe(finding.hint), 'muted')}"] if finding.hint else [])]
