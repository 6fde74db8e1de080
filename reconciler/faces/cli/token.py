"""`reconciler token`: who may come in over HTTP, and with which role. Works with and without a running engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from reconciler.client import Client, NoEngine
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.reach import find
from reconciler.faces.cli.talk import data, data_json, tell
from reconciler.store.state_dir import StateDir
from reconciler.store.tokens import (
    LOCAL_ROLES,
    ROLES,
    BadName,
    NoSuchToken,
    Token,
    TokensDamaged,
    create_token,
    ensure_tokens,
    local_token,
    read_tokens,
    revoke_token,
)


@click.command("token")
@click.argument("action", type=click.Choice(["create", "list", "revoke", "show"]))
@click.argument("name", metavar="[NAME]", required=False)
@shared("json", project=True)
@click.option("--role", type=click.Choice(ROLES), help="What it is for; each role may do what those before it may.")
@click.option("--name", "chosen", metavar="NAME", help="What a new token is called.")
def command(options: Options, action: str, name: str | None, role: Any, chosen: str | None) -> int:
    """Say who may come in over HTTP, and as what.

    `create --role ROLE [--name NAME]` makes a token and prints it, this once: what is kept is its digest. `list` shows
    them, `revoke NAME` takes one back, also from whoever is connected with it. `show --role client` (or operator)
    prints the one that was made at first start.

    A viewer looks, a client calls tools, an editor writes the configuration, an operator applies and approves.
    """
    _check(action, name, role, chosen)
    state, client = find(options)
    try:
        match action:
            case "create":
                _create(options, state, role, chosen)
            case "list":
                _list(options, state)
            case "revoke":
                _revoke(options, state, str(name))
            case _:
                _show(options, state, role)
    except TokensDamaged as error:
        hint = f"delete {state.tokens}: the next start makes new tokens"
        raise Stop(Exit.SYSTEM, "tokens-damaged", str(error), hint) from error
    if action in ("create", "revoke") and client is not None:
        _tell_engine(client)
    return Exit.DONE


def _check(action: str, name: str | None, role: str | None, chosen: str | None) -> None:
    """Raises click.UsageError for what does not belong together."""
    roles = {"create": ROLES, "show": LOCAL_ROLES}.get(action, ())
    wrong: dict[str, Callable[[], bool]] = {
        f"`{action}` needs --role": lambda: bool(roles) and role is None,
        f"--role must be one of {', '.join(roles)}": lambda: bool(roles) and role not in roles,
        f"`{action}` takes no --role": lambda: not roles and role is not None,
        "`revoke` needs the NAME of a token": lambda: action == "revoke" and name is None,
        f"`{action}` takes no NAME": lambda: action != "revoke" and name is not None,
        f"`{action}` takes no --name": lambda: action != "create" and chosen is not None,
    }
    for message, holds in wrong.items():
        if holds():
            raise click.UsageError(message, click.get_current_context())


def _create(options: Options, state: StateDir, role: Any, name: str | None) -> None:
    try:
        token, text = create_token(state, role, name)
    except BadName as error:
        raise Stop(Exit.USAGE, "bad-name", str(error), "`reconciler token list` shows the names") from error
    if options.json:
        data_json({"name": token.name, "role": token.role, "token": text})
        return
    data(text)
    tell(f"this is the token {token.name} ({token.role}): it is shown once, and not kept")


def _list(options: Options, state: StateDir) -> None:
    now = datetime.now(UTC)
    tokens = [token for token in read_tokens(state) if token.holds(now)]
    if options.json:
        data_json({"tokens": [_row(token) for token in tokens]})
    elif tokens:
        data(options.paint.table(_columns(tokens), [_cells(options.paint, token, tokens) for token in tokens]))
    else:
        tell("there are no tokens yet: the first start makes two")


def _row(token: Token) -> dict[str, Any]:
    return {name: value for name, value in token.to_json().items() if name != "sha256"}


def _columns(tokens: Sequence[Token]) -> tuple[str, ...]:
    """When one ends is shown where one does."""
    return ("NAME", "ROLE", "CREATED", "EXPIRES")[: 4 if any(token.expires_at for token in tokens) else 3]


def _cells(paint: Painter, token: Token, tokens: Sequence[Token]) -> list[tuple[str, Any]]:
    texts = (token.name, token.role, token.created_at, token.expires_at or "")[: len(_columns(tokens))]
    roles: tuple[Any, ...] = ("heading", "plain", "muted", "muted")
    return [(paint.safe(text), role) for text, role in zip(texts, roles, strict=False)]


def _revoke(options: Options, state: StateDir, name: str) -> None:
    try:
        token = revoke_token(state, name)
    except NoSuchToken as error:
        hint = "`reconciler token list` shows them"
        raise Stop(Exit.SYSTEM, "unknown-token", f'no token is called "{name}"', hint) from error
    if options.json:
        data_json({"revoked": token.name, "role": token.role})
    tell(f"the token {token.name} ({token.role}) is taken back")


def _show(options: Options, state: StateDir, role: Any) -> None:
    ensure_tokens(state)
    text = local_token(state, role)
    if text is None:
        hint = f"`reconciler token create --role {role}` makes another"
        raise Stop(Exit.SYSTEM, "no-token", f"the first {role} token was taken back", hint)
    if options.json:
        data_json({"role": role, "token": text})
    else:
        data(text)


def _tell_engine(client: Client) -> None:
    """From now on it holds; an engine that cannot be told looks by itself."""
    with suppress(NoEngine):
        client.reread_tokens()
