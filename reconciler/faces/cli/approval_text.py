"""Calls that wait for a yes, for people: everything of them, and nothing that plays tricks on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciler.client import Answer
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.status_text import span
from reconciler.plan.render.values import visible

CALL = "call-"
"""How the id of a call begins; ids of plans begin otherwise."""
_HIDDEN = "***"


def call_lines(call: Mapping[str, Any], paint: Painter, *, answerable: bool = True) -> Iterator[str]:
    """One call: what it is, whose it is, until when it waits, all its arguments, and the commands that answer it."""
    name = f"{_safe(call['server'], paint)}  {_safe(call['tool'], paint)}"
    whose = f"for {_safe(call['principal'], paint)}, {span(call['requestedAt'])} ago, waits until {_until(call)}"
    yield f"{paint.role(_safe(call['id'], paint), 'launch')}  {paint.role(name, 'heading')}  {whose}"
    text = json.dumps(call["arguments"], indent=2, ensure_ascii=False)
    yield from (f"    {_safe(line, paint)}" for line in text.split("\n"))
    if _HIDDEN in text:
        yield paint.role(f"    {text.count(_HIDDEN)} secrets are hidden here, and sent as they are", "muted")
    if answerable:
        yield f"  reconciler approve {_safe(call['id'], paint)}    reconciler deny {_safe(call['id'], paint)}"


def fate_lines(call: Mapping[str, Any], paint: Painter) -> Iterator[str]:
    """What became of one."""
    waits = call["state"] == "waiting"
    yield from call_lines(call, paint, answerable=waits)
    if not waits:
        by = f" by {_safe(call['who'], paint)}" if call["who"] else ""
        why = f": {_safe(call['reason'], paint)}" if call["reason"] else ""
        yield f"  {call['state']}{by}, {span(call['since'])} ago{why}"


def answer_lines(answer: Answer) -> Iterator[str]:
    """What a yes came to."""
    match answer["for"]:
        case "session":
            yield "allowed, and every call of this tool by the same caller until the engine stops"
        case "always":
            yield "allowed; this tool does not ask any more"
        case _:
            yield "allowed, once"
    if not answer["runs"]:
        yield "its caller does not wait any more: it runs if that comes back for it within 15 minutes"


def _until(call: Mapping[str, Any]) -> str:
    moment = datetime.fromisoformat(call["expiresAt"]).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def _safe(text: str, paint: Painter) -> str:
    return visible(text, ascii_only=paint.ascii_only)
