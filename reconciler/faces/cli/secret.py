"""`reconciler secret`: values that the file names as `${secret:NAME}`. Works with and without a running engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.client import Answer, Client
from reconciler.config.references import secrets_mentioned
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.reach import find
from reconciler.faces.cli.talk import ask, data, data_json, is_interactive, tell
from reconciler.faces.cli.typing_in import type_in
from reconciler.model.secret import SECRET_NAME
from reconciler.problems import errors
from reconciler.store.sources import read_sources
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import LARGEST_VALUE, Secret, Vault
from reconciler.store.vault_file import HOLDERS, Holder
from reconciler.store.vault_keys import NEW_VARIABLE, VARIABLE

Uses = Mapping[str, list[str]]

_NAMED = ("set", "remove")
_KEPT = {"keyring": "in the system's keyring", "file": "in a file beside them", "environment": f"in {VARIABLE}"}


@click.command("secret")
@click.argument("action", type=click.Choice(["set", "list", "remove", "rotate"]))
@click.argument("name", metavar="[NAME]", required=False)
@click.argument("rest", nargs=-1, metavar="")
@shared("json", project=True)
@click.option("--from-file", type=click.Path(path_type=Path), metavar="FILE", help="`set`: read the value from there.")
@click.option("--key", type=click.Choice(HOLDERS), help="`rotate`: have the new key kept there.")
@click.option("-y", "--yes", is_flag=True, help="`remove`: also what servers still use.")
def command(
    options: Options,
    action: str,
    name: str | None,
    rest: tuple[str, ...],
    from_file: Path | None,
    key: Holder | None,
    yes: bool,
) -> int:
    """Store values that the file names as ${secret:NAME}.

    `set NAME` asks for the value at a terminal without showing it, and reads standard input anywhere else; it is never
    an argument, which others could read. `list` shows names, versions and the servers that use them, never values.
    `remove NAME` forgets one. `rotate` seals all of them under a new key.

    A new value reaches the servers that use it at once: a new session first, then the old one goes.
    """
    _check(action, name, rest, from_file, key, yes)
    state, client = find(options)
    match action:
        case "set":
            _set(options, state, client, str(name), _value(from_file))
        case "list":
            _list(options, client.secrets() if client else _listed(Vault(state), _uses(options)))
        case "remove":
            _remove(options, state, client, str(name), yes)
        case _:
            _rotate(options, Vault(state), key)
    return Exit.DONE


def _check(
    action: str, name: str | None, rest: tuple[str, ...], from_file: Path | None, key: str | None, yes: bool
) -> None:
    """Raises click.UsageError for what does not belong together. What may be a value is not repeated."""
    wrong: dict[str, Callable[[], bool]] = {
        "a value is never an argument, which others could read: leave it out, and it is asked for": lambda: bool(rest),
        f"`{action}` needs the NAME of a secret": lambda: action in _NAMED and name is None,
        f"`{action}` takes no NAME": lambda: action not in _NAMED and name is not None,
        "a name has letters, digits, dots, dashes and underscores, and at most 128 of them": lambda: (
            name is not None and not SECRET_NAME.fullmatch(name)
        ),
        f"`{action}` takes no --from-file": lambda: action != "set" and from_file is not None,
        f"`{action}` takes no --key": lambda: action != "rotate" and key is not None,
        f"`{action}` takes no --yes": lambda: action != "remove" and yes,
    }
    for message, holds in wrong.items():
        if holds():
            raise click.UsageError(message, click.get_current_context())


def _value(from_file: Path | None) -> str:
    """What to store, without the line's end that editors and `echo` put behind it. Raises Stop."""
    if from_file is None and sys.stdin.isatty():
        return type_in("Value (it is not shown)")
    most = LARGEST_VALUE + 3
    if from_file is None:
        given = sys.stdin.buffer.read(most)
    else:
        with from_file.open("rb") as file:
            given = file.read(most)
    try:
        return given.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        hint = "encode it, with base64 for one"
        raise Stop(Exit.USAGE, "bad-value", "the value is not text in UTF-8", hint) from None


def _set(options: Options, state: StateDir, client: Client | None, name: str, value: str) -> None:
    if client is not None:
        row = client.store_secret(name, value)
    else:
        vault = Vault(state)
        vault.put(name, value)
        rows = _listed(vault, _uses(options))["secrets"]
        row = next(each for each in rows if each["name"] == name)
    if options.json:
        data_json(row)
    users = f"used by {', '.join(row['servers'])}" if row["servers"] else f"the file names it as ${{secret:{name}}}"
    tell(f"stored {name}, version {row['version']}; {users}")


def _uses(options: Options) -> Uses:
    """Secret -> servers, of the file in reach; nothing where there is none, or one with errors."""
    sources = options.sources()
    if sources is None or options.project is not None:
        return {}
    reading = read_sources(sources).reading
    return {} if errors(reading.problems) else secrets_mentioned(reading.document())


def _listed(vault: Vault, uses: Uses) -> Answer:
    """The same as an engine answers."""
    stored = vault.list()
    known = {secret.name for secret in stored}
    missing = [{"name": name, "servers": servers} for name, servers in sorted(uses.items()) if name not in known]
    return {"secrets": [_row(secret, uses) for secret in stored], "missing": missing, "key": vault.key_holder()}


def _row(secret: Secret, uses: Uses) -> dict[str, Any]:
    facts = {"name": secret.name, "version": secret.version}
    times = {"createdAt": secret.created_at, "updatedAt": secret.updated_at}
    return {**facts, **times, "servers": uses.get(secret.name, [])}


def _list(options: Options, listed: Answer) -> None:
    if options.json:
        data_json(listed)
        return
    safe = options.paint.safe
    cells = [
        [(row["name"], "heading"), (str(row["version"]), "plain"), (row["updatedAt"], "muted"), _users(options, row)]
        for row in listed["secrets"]
    ]
    cells += [
        [(safe(row["name"]), "heading"), ("-", "plain"), ("not stored", "warning"), _users(options, row)]
        for row in listed["missing"]
    ]
    if cells:
        data(options.paint.table(("NAME", "VERSION", "STORED", "USED BY"), cells))
    else:
        tell("there are no secrets yet: `reconciler secret set NAME` stores one")


def _users(options: Options, row: Answer) -> tuple[str, Any]:
    return options.paint.safe(", ".join(row["servers"]) or "-"), "plain"


def _remove(options: Options, state: StateDir, client: Client | None, name: str, yes: bool) -> None:
    vault = Vault(state)
    listed = client.secrets() if client else _listed(vault, _uses(options))
    row = next((each for each in listed["secrets"] if each["name"] == name), None)
    if row is None:
        hint = "`reconciler secret list` shows them"
        raise Stop(Exit.SYSTEM, "unknown-secret", f'no secret named "{name}" is stored', hint)
    if row["servers"] and not yes:
        _ask_for_yes(name, ", ".join(row["servers"]))
    if client is not None:
        client.remove_secret(name)
    else:
        vault.remove(name)
    if options.json:
        data_json({"removed": name, "servers": row["servers"]})
    rest = f"; live sessions of {', '.join(row['servers'])} keep it until they end" if client and row["servers"] else ""
    tell(f"{name} is forgotten{rest}")


def _ask_for_yes(name: str, users: str) -> None:
    """Raises Stop without a yes, and where nobody can be asked."""
    warning = f"{name} is used by {users}, which cannot start without it"
    if not is_interactive():
        raise Stop(Exit.WAITING, "needs-yes", f"nothing was removed: {warning}", "`-y` is a yes")
    if not ask(f"{warning}. Forget it?"):
        raise Stop(Exit.WAITING, "declined", "nothing was removed")


def _rotate(options: Options, vault: Vault, key: Holder | None) -> None:
    holder = vault.rotate(key)
    count = len(vault.list())
    if options.json:
        data_json({"secrets": count, "key": holder})
    if holder is None:
        tell("there are no secrets yet, and so no key")
        return
    tell(f"{count} secret{'s are' if count != 1 else ' is'} sealed under a new key, which is kept {_KEPT[holder]}")
    if holder == "environment":
        tell(f"from now on {VARIABLE} has to be what {NEW_VARIABLE} was, also where the engine runs: start that anew")
