"""What a person is shown of a call that waits, and what its caller is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import chain, count
from typing import Any, TypeAlias

from reconciler.canonical import digest
from reconciler.gate.content import read_canonical
from reconciler.plan.render.values import visible
from reconciler.store.approval_rows import CallRow

Hide: TypeAlias = Callable[[str], str]
"""A text without the secrets that must not be shown."""

MOST_SHOWN = 64 * 1024
"""Characters of arguments that are shown; the whole is kept, and one call can be asked for by its id."""
META = "reconciler/approval"
"""Where the `_meta` of a result says in our words what became of the call."""


def shown(row: CallRow, hide: Hide, *, whole: bool = False) -> dict[str, Any]:
    """One member of `approvals`. Arguments beyond MOST_SHOWN are a text that is cut, unless the `whole` is wanted."""
    return {
        "id": row.id,
        "server": row.server,
        "tool": row.tool,
        "arguments": _arguments(row.arguments, hide, whole),
        "requestedAt": row.created,
        "expiresAt": row.expires,
        "principal": row.principal,
    }


def shown_digest(row: CallRow, hide: Hide) -> str:
    """What the audit says that a decision was about: the digest of what is shown, secrets hidden, nothing cut."""
    return digest({"server": row.server, "tool": row.tool, "arguments": _arguments(row.arguments, hide, True)})


def _arguments(text: str, hide: Hide, whole: bool) -> Any:
    if not text:
        return {}
    value = without_secrets(read_canonical(text), hide)
    if whole or len(text) <= MOST_SHOWN:
        return value
    return f"{json.dumps(value, ensure_ascii=False)[:MOST_SHOWN]}... ({len(text)} characters in all)"


def without_secrets(value: Any, hide: Hide) -> Any:
    """A JSON value with every text in it hidden as `hide` does, names of members too, and no member left out."""
    match value:
        case str():
            return hide(value)
        case Mapping():
            members: dict[str, Any] = {}
            for name, member in value.items():
                members[_free_name(hide(name), name, value, members)] = without_secrets(member, hide)
            return members
        case list():
            return [without_secrets(item, hide) for item in value]
        case _:
            return value


def _free_name(shown_as: str, name: str, given: Mapping[str, Any], taken: Mapping[str, Any]) -> str:
    """What a member is shown as: secrets in names may make two the same, and neither may hide the other."""
    if shown_as == name:
        return name
    numbered = (f"{shown_as} ({number})" for number in count(2))
    return next(each for each in chain([shown_as], numbered) if each not in taken and each not in given)


def waits_message(row: CallRow) -> str:
    """What a caller hears again and again while its call waits."""
    return f"waits for approval: `reconciler approve {row.id}`"


def parked(row: CallRow) -> dict[str, Any]:
    """The result of a call that was not answered yet.

    It is an error: a success would be checked against the tool's outputSchema, and would say that the tool ran.
    """
    if row.state == "started":
        text = (
            f"The user allowed this call, and it is still running. Call `reconciler__result` with "
            f'{{"id": "{row.id}"}} to wait for its result; do not make the call again.'
        )
    else:
        text = (
            f"This call was not run: it waits for approval. Only the user can allow it, on the approvals page or in "
            f"their own terminal with `reconciler approve {row.id}` (`reconciler deny {row.id}` refuses it). Tell the "
            f"user what waits, and do not try to reach the same in another way. Then call `reconciler__result` with "
            f'{{"id": "{row.id}"}}: it waits for the answer and returns the result of the tool. It waits until '
            f"{row.expires}."
        )
    return _said(row, text)


def unkept(row: CallRow) -> dict[str, Any]:
    """The result of a call that ran, and whose own result is not there (any more)."""
    return _said(row, "The call was allowed and ran, but its result was too large to be kept. It is not run again.")


def failure(row: CallRow, message: str) -> dict[str, Any]:
    """The result of a call that was allowed, and then failed."""
    return _said(row, f"The call was allowed, and failed: {message}")


def _said(row: CallRow, text: str) -> dict[str, Any]:
    facts = {"id": row.id, "state": row.state, "expiresAt": row.expires, "approve": f"reconciler approve {row.id}"}
    return {"content": [{"type": "text", "text": text}], "isError": True, "_meta": {META: facts}}


def why_not(row: CallRow) -> tuple[str, str]:
    """The code and the sentence for a call that will not run (any more)."""
    name = f'"{row.tool}" of "{row.server}"'
    match row.state:
        case "denied":
            return "denied", f"{row.who or 'the user'} said no to this call of {name}; it was not run"
        case "expired":
            return "expired", f"this call of {name} was not run: {row.reason or 'nobody answered in time'}"
        case _:
            why = row.reason or "the engine ended, or its caller went away, while it ran"
            return "unknown-outcome", f"nobody knows how this call of {name} ended, so it is not run again: {why}"


def history(row: CallRow) -> str:
    """What became of a call, for whoever answers it too late."""
    by = f" by {row.who}" if row.who else ""
    match row.state:
        case "waiting":
            return "it waits"
        case "allowed":
            return f"it was allowed{by} at {row.changed}; it runs when its caller asks for it until {row.expires}"
        case "denied":
            return f"it was denied{by} at {row.changed}"
        case "expired":
            return f"it is over since {row.changed}: {row.reason}"
        case "started":
            return f"it was allowed{by} and has been running since {row.changed}"
        case "done" | "failed":
            return f"it was allowed{by} and ran; it was {row.state} at {row.changed}"
        case "unknown":
            return f"it was allowed{by} and started; nobody knows how it ended"


def form(row: CallRow, hide: Hide) -> dict[str, Any] | None:
    """The params of `elicitation/create` for a client that asks its user; None when the arguments are too many."""
    if len(row.arguments) > MOST_SHOWN:
        return None
    value = _arguments(row.arguments, hide, True)
    arguments = "\n".join(visible(line) for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"))
    tool, server, principal = visible(row.tool), visible(row.server), visible(row.principal)
    return {
        "mode": "form",
        "message": f'Allow "{principal}" to call the tool "{tool}" of "{server}" once, with\n{arguments}',
        "requestedSchema": {
            "type": "object",
            "properties": {
                "allow": {
                    "type": "string",
                    "title": f"Run {tool}?",
                    "description": "yes runs exactly this call, once",
                    "enum": ["no", "yes"],
                }
            },
            "required": ["allow"],
        },
    }


RESULT_TOOL: Mapping[str, Any] = {
    "name": "reconciler__result",
    "title": "Result of a call that waited for approval",
    "description": (
        "Waits up to 50 seconds for the user's answer to a call that waits for approval, and returns the result of the "
        "tool that was called. Use it with the id that the waiting call answered. It cannot approve anything."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {"id": {"type": "string", "description": "The id of the waiting call, call-..."}},
        "required": ["id"],
        "additionalProperties": False,
    },
}
"""What the gateway lists where some visible tool asks; answered by `Gate.result`."""
RESULT_TOOL_NAME: str = RESULT_TOOL["name"]
