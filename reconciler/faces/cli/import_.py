"""`reconciler import`: the servers of a sealed file, beside those that are here. An engine takes them over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.config.read import Reading
from reconciler.config.unpack import merge
from reconciler.engine.environment import Environment
from reconciler.engine.rewrite import ChangeRefused, rewrite
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.engines import engine
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.import_text import came_lines
from reconciler.faces.cli.listening import Listening, with_listening
from reconciler.faces.cli.problem_text import refuse
from reconciler.faces.cli.reach import find
from reconciler.faces.cli.sealing import refusals, typed, with_passphrase_file
from reconciler.faces.cli.talk import data, data_json
from reconciler.merge_patch import apply
from reconciler.model.document import Document
from reconciler.store.export_json import LARGEST_FILE
from reconciler.store.portable import open_servers
from reconciler.store.sources import read_sources
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@shared("json", project=True)
@click.option("--dry-run", is_flag=True, help="Only show what would come.")
@click.option("--run", metavar="ID", multiple=True, help="Have this one on, which would come switched off.")
@with_passphrase_file
@with_listening
def command(
    options: Options,
    listening: Listening,
    file: Path,
    dry_run: bool,
    run: tuple[str, ...],
    passphrase_file: Path | None,
) -> int:
    """Take over the servers of a sealed file.

    One that `reconciler export` wrote, or MCP Explorer. Nothing that is here changes: where an id is taken, the server
    comes as `<id>-v2`. What runs a program, or would get something of this machine, comes switched off unless `--run`
    names it. Exit codes: 64 not such a file, 1 of a later version, 3 damaged, 6 another passphrase, 4 altered.
    """
    state, client = find(options)
    sealed, passphrase = _read(file), typed(passphrase_file)
    with refusals():
        if client is not None:
            came: dict[str, Any] | Reading = {**client.import_sealed(sealed, passphrase, run=run, dry_run=dry_run)}
        else:  # nothing is started for a file that cannot come
            came = _preview(options, state, sealed, passphrase, run)
        if client is None and not dry_run and not isinstance(came, Reading):
            with engine(options, options.needed_sources(), listening) as started:
                came = {**started.import_sealed(sealed, passphrase, run=run)}
    if isinstance(came, Reading):
        return refuse(came, options)
    if options.json:
        data_json(came)
    else:
        data("\n".join(came_lines(came, options.paint)))
    return Exit.DONE


def _read(file: Path) -> str:
    """The text of a file; what is none is told by whoever opens it. Raises OSError."""
    with file.open("rb") as source:
        return source.read(LARGEST_FILE + 1).decode("utf-8", "replace")


def _preview(
    options: Options, state: StateDir, sealed: str, passphrase: str, run: tuple[str, ...]
) -> dict[str, Any] | Reading:
    """What an engine would answer to a dry run, without its plan; a Reading where the file has errors."""
    sources, vault = options.needed_sources(), Vault(state)
    snapshot = read_sources(sources)
    written = snapshot.reading.written
    if written is None:
        return snapshot.reading
    opened = open_servers(sealed.encode("utf-8"), passphrase)
    environment, document = Environment(sources.folder, vault.get), Document(written)
    found = merge(
        written, opened.payload, stored=vault.get, has=lambda reference: environment.has(document, reference), run=run
    )
    try:
        rewrite(sources, snapshot, apply(written, found.patch))
    except ChangeRefused as refused:
        problems = [problem.to_json() for problem in refused.problems]
        raise Stop(Exit.INVALID, refused.code, str(refused), None, {"problems": problems}) from refused
    remarks = [remark._asdict() for remark in opened.remarks]
    nothing: dict[str, Any] = {"plan": None, "applied": None, "pending": []}
    return {"dryRun": True, **found.to_json(), "remarks": remarks, **nothing}
