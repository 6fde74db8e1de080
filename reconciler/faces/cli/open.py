"""`reconciler open`: the page, in a browser, by a fresh link."""

from __future__ import annotations

import click

from reconciler.client import Answer, ApiError, Client
from reconciler.faces.cli.browser import show_page
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.hosting import start_in_background
from reconciler.faces.cli.init import first_text
from reconciler.faces.cli.reach import find, running
from reconciler.faces.cli.talk import data, data_json, tell
from reconciler.store.files import write_whole
from reconciler.store.home import NoHome, home
from reconciler.store.link_page import write_link_page
from reconciler.store.places import Sources, user_wide
from reconciler.store.state_dir import StateDir


@click.command("open")
@shared("json", project=True)
@click.option("--print", "print_only", is_flag=True, help="Print the link instead; it lets in once.")
def command(options: Options, print_only: bool) -> int:
    """Open the page, by a fresh link.

    An engine is started where none runs, and where there is no file yet, one without servers in ~/.config/reconciler.
    The link lets one browser in, once, within ten minutes.
    """
    state, client = _engine(options)
    link = _link(client)
    if options.json:
        data_json(link)
    elif print_only or not show_page(write_link_page(state, link["url"]).as_uri()):
        data(link["url"])
    else:
        tell("a browser was asked to show the page; `reconciler open --print` prints a link instead")
    return Exit.DONE


def _engine(options: Options) -> tuple[StateDir, Client]:
    """The engine that is meant, started where none runs. Raises Stop, StartFailed."""
    if options.project is None and options.sources() is None and not any(running(options.base)):
        _write_first_file()
    state, client = find(options)
    return state, client or _start(options, state, options.needed_sources())


def _start(options: Options, state: StateDir, sources: Sources) -> Client:
    if not sources.main.exists() and not state.accepted.exists():
        hint = f"`reconciler init -f {sources.main}` writes one"
        raise Stop(Exit.INVALID, "no-configuration", f"{sources.main} does not exist", hint)
    client = start_in_background(sources, options.base, follow=True)
    tell(f"started an engine in the background: it follows {sources.shown(sources.main)}")
    tell("  what needs a yes waits for it on the page; `reconciler stop` ends the engine")
    return client


def _write_first_file() -> None:
    where = home()
    if where is None:
        raise NoHome
    path = user_wide(where)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, first_text(path), mode=0o644)
    tell(f"wrote {path}, which holds where no other file does")


def _link(client: Client) -> Answer:
    try:
        return client.visit()
    except ApiError as error:
        if error.code != "not-listening":
            raise
        hint = "`reconciler stop`, then start it without `--listen none` (or RECONCILER_LISTEN=none)"
        raise Stop(Exit.STALE, error.code, str(error), hint) from error
