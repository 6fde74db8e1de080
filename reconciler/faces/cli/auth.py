"""`reconciler auth`: signing in to a server."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import click

from reconciler.client import Answer, Client
from reconciler.faces.cli.browser import show_page
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, is_interactive, tell

_TURN = 30
"""Seconds of one look at whether the sign-in is over."""
_TURNS = 21
"""The engine gives a person ten minutes."""


@click.command("auth")
@click.argument("server", metavar="ID")
@shared("json", project=True)
@click.option("--manual", is_flag=True, help="Paste the address that the browser was sent to.")
@click.option("--forget", is_flag=True, help="Forget the tokens of the server instead.")
def command(options: Options, server: str, manual: bool, forget: bool) -> int:
    """Sign in to a server that wants it.

    Shows the page for signing in, in a browser where there is one, and waits until you have. Where the browser runs on
    another machine than the engine, `--manual` takes the address of the page that it ends up at and cannot load.
    """
    if manual and forget:
        raise click.UsageError("--manual and --forget do not go together")
    client = reach(options)
    if forget:
        return _forget(client, options, server)
    begun = client.sign_in(server)
    page = begun["authUrl"]
    if page is None:
        raise Stop(Exit.SYSTEM, "sign-in-failed", begun["reason"] or "the page for signing in is gone; try again")
    if not manual and not begun["listens"]:
        hint = f"`reconciler auth {server} --manual` takes its address instead"
        raise Stop(Exit.SYSTEM, "no-listener", "the engine listens nowhere: no browser finds its way back to it", hint)
    return _show(_ended(client, server, page) if manual else _waited_for(client, server, page), options)


def _forget(client: Client, options: Options, server: str) -> int:
    forgotten = client.forget_sign_in(server)
    if options.json:
        data_json({"server": server, "forgotten": forgotten})
    else:
        data(f"{server}: {'signed out' if forgotten else 'nobody was signed in'}")
    return Exit.DONE


def _waited_for(client: Client, server: str, page: str) -> Answer:
    tell(f"Sign in at:\n  {page}")
    if _may_be_shown(page) and show_page(page):
        tell("A browser was asked to show it.")
    for _ in range(_TURNS):
        answer = client.wait_for_sign_in(server, seconds=_TURN)
        if answer["signedIn"] or answer["reason"]:
            return answer
    raise Stop(Exit.SYSTEM, "sign-in-failed", "nobody signed in", f"`reconciler auth {server}` begins anew")


def _ended(client: Client, server: str, page: str) -> Answer:
    tell(
        f"Sign in at:\n  {page}\nThe browser then ends up at a page that may not load. Paste the address of that page:"
    )
    line = click.prompt("Address", prompt_suffix=": ", err=True) if is_interactive() else sys.stdin.readline()
    if not line.strip():
        raise Stop(Exit.USAGE, "no-address", "no address was pasted", "it begins as the redirect_uri of the page does")
    return client.end_sign_in(server, line.strip())


def _show(answer: Answer, options: Options) -> int:
    if options.json:
        data_json(answer)
    elif answer["signedIn"]:
        data(f"{options.paint.safe(answer['server'])}: signed in")
    else:
        tell(f"{options.paint_talk.safe(answer['server'])}: {options.paint_talk.safe(answer['reason'] or '')}")
    return Exit.DONE if answer["signedIn"] else Exit.SYSTEM


def _may_be_shown(page: str) -> bool:
    """The engine checks this too; it may be another version."""
    parts = urlsplit(page)
    return page.isascii() and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE))


_HERE = ("localhost", "127.0.0.1", "::1")
