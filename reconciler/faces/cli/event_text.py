"""An event as a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.faces.cli.paint import Painter

_ROLES = {
    "waiting": "launch",
    "approval": "launch",
    "denied": "warning",
    "expired": "warning",
    "approved": "good",
    "error": "bad",
    "failed": "bad",
    "down": "bad",
    "wake": "warning",
    "connected": "good",
    "source": "warning",
}


def event_line(event: Mapping[str, Any], paint: Painter, *, with_server: bool = True) -> str:
    """`12:34:56  github  is connected`; the day is named when it is not today."""
    when = clock(event["at"])
    server = f"{paint.safe(event['server'])}  " if with_server and event["server"] else ""
    count = event.get("count", 1)
    times = f"  ({count} times since {clock(event['since'])})" if count > 1 else ""
    verb = "applying " if event["kind"] == "applying" else ""
    message = paint.role(verb + paint.safe(" ".join(event["message"].split())), _ROLES.get(event["kind"], "plain"))
    return f"{paint.role(when, 'muted')}  {paint.role(server, 'heading')}{message}{times}"


def clock(at: str) -> str:
    """A time as it is here; the day is named when it is not today."""
    moment = datetime.fromisoformat(at).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")
