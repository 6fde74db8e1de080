"""`reconciler schema`: the JSON Schemas of the file and of a plan, without a network."""

from __future__ import annotations

import json

import click

from reconciler.config.schema import text
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.talk import data
from reconciler.plan.schema import plan_schema


@click.command("schema")
@click.argument("which", type=click.Choice(["config", "plan"]), default="config")
@shared()
def command(options: Options, which: str) -> int:
    """Print a JSON Schema.

    `config` is that of reconciler.yaml, for editors; `plan` that of `plan -o json`. Both are draft-07.
    """
    data(text() if which == "config" else json.dumps(plan_schema(), indent=2, ensure_ascii=False))
    return Exit.DONE
