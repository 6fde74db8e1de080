"""`reconciler export`: servers and their secrets in a file that only a passphrase opens. With and without an engine."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from reconciler.client import Client
from reconciler.config.read import Reading
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.problem_text import refuse
from reconciler.faces.cli.reach import find
from reconciler.faces.cli.sealing import refusals, typed_twice, with_passphrase_file
from reconciler.faces.cli.talk import data_json, tell
from reconciler.store.export_kinds import Kind
from reconciler.store.files import write_apart
from reconciler.store.portable import seal_servers
from reconciler.store.sources import read_sources
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault


@click.command("export")
@click.argument("out", type=click.Path(path_type=Path))
@shared("json", project=True)
@click.option("--names", metavar="A,B", help="Only these servers, by their ids.")
@click.option(
    "--format", "kind", type=click.Choice(["reconciler", "mcp-explorer"]), default="reconciler", help="Who reads it."
)
@with_passphrase_file
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(
    options: Options, out: Path, names: str | None, kind: Kind, passphrase_file: Path | None, force: bool
) -> int:
    """Write servers and their secrets into a sealed file.

    All servers of the file, with the values of the secrets that are stored for them, encrypted under a passphrase that
    is typed twice. What is in the environment or in other files stays a reference, and no sign-in travels.
    """
    _check(out, force)
    state, client = find(options)
    ids = None if names is None else [name.strip() for name in names.split(",") if name.strip()]
    passphrase = typed_twice(passphrase_file)
    with refusals():
        sealed = _asked(client, ids, passphrase, kind) if client else _sealed(options, state, ids, passphrase, kind)
    if isinstance(sealed, Reading):
        return refuse(sealed, options)
    write_apart(out, sealed.pop("file").encode("ascii"))
    _say({"out": str(out), "format": kind, **sealed}, options)
    return Exit.DONE


def _check(out: Path, force: bool) -> None:
    """Before anybody types anything. Raises Stop."""
    if not out.parent.is_dir():
        raise Stop(Exit.SYSTEM, "no-directory", f"there is no directory {out.parent}", "make it, or name another file")
    if os.path.lexists(out) and not force:
        raise Stop(
            Exit.STALE, "file-exists", f"{out} is there already", "name another one, or let `--force` replace it"
        )


def _asked(client: Client, ids: list[str] | None, passphrase: str, kind: Kind) -> dict[str, Any]:
    return {**client.export_sealed(passphrase, ids, format=kind)}


def _sealed(
    options: Options, state: StateDir, ids: list[str] | None, passphrase: str, kind: Kind
) -> dict[str, Any] | Reading:
    """The same as an engine answers; a Reading where the file has errors."""
    reading = read_sources(options.needed_sources()).reading
    if reading.written is None:
        return reading
    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    sealed = seal_servers(reading.written, ids, passphrase, kind=kind, stored=Vault(state).get, created=created)
    return {
        "file": sealed.data.decode("ascii"),
        "servers": list(sealed.servers),
        "missing": list(sealed.missing),
        "leftOut": [remark._asdict() for remark in sealed.left_out],
    }


def _say(written: dict[str, Any], options: Options) -> None:
    if options.json:
        data_json(written)
    safe, count = options.paint_talk.safe, len(written["servers"])
    for remark in written["leftOut"]:
        where = f"{remark['name']}: {remark['field']}" if remark["field"] else remark["name"]
        tell(f"left out: {safe(where)}: {safe(remark['text'])}")
    for name in written["missing"]:
        tell(f"note: the secret {safe(name)} is not stored here, and so not in the file")
    tell(f"wrote {count} server{'s' if count != 1 else ''} into {safe(written['out'])}; only the passphrase opens it")
