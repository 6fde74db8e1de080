"""`reconciler open`: the page, in a browser, by a fresh link."""

from __future__ import annotations

import click

from reconciler.faces.cli.browser import show_page
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("open")
@shared("json", project=True)
@click.option("--print", "print_only", is_flag=True, help="Print the link instead; it lets in once.")
def command(options: Options, print_only: bool) -> int:
    """Open the page, by a fresh link.

    The link lets one browser in, once, within ten minutes.
    """
    link = reach(options).visit()
    if options.json:
        data_json(link)
    elif print_only or not show_page(link["url"]):
        data(link["url"])
    else:
        tell("A browser was asked to show it.")
    return Exit.DONE
