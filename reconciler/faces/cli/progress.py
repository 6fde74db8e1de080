"""Progress per server while a plan is carried out: redrawn on a terminal, plain lines elsewhere. On standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.client import Answer, OnProgress
from reconciler.faces.cli.event_text import clock
from reconciler.faces.cli.paint import Painter, redrawn
from reconciler.faces.cli.talk import tell

_ROLES = {"applied": "good", "failed": "bad", "late": "warning", "skipped": "muted", "rolled-back": "warning"}
_WORDS = {
    "applied": "done",
    "accepted": "accepted, not started",
    "late": "still on its way",
    "rolled-back": "rolled back",
}


@contextmanager
def progress(paint: Painter) -> Iterator[OnProgress]:
    """Give this every start and every outcome that the engine tells."""
    if not paint.on_terminal:
        yield lambda news: _tell_outcome(news, paint)
        return
    with redrawn(sys.stderr) as draw:
        yield _drawing(draw, paint)


def _tell_outcome(news: Answer, paint: Painter) -> None:
    if news["status"] != "started":
        tell(outcome_line(news, paint, why=False))  # the result that follows says it


def _drawing(draw: Callable[[list[str], list[str]], None], paint: Painter) -> OnProgress:
    running: dict[str, str] = {}

    def show(news: Answer) -> None:
        name = paint.safe(news["server"])
        done = []
        if news["status"] == "started":
            running[name] = paint.role(f"{paint.either('…', '.')} {name}  {news['action']}", "busy")
        else:
            running.pop(name, None)
            done.append(outcome_line(news, paint, why=False))
        draw(done, list(running.values()))

    return show


def outcome_line(news: Answer, paint: Painter, *, why: bool = True) -> str:
    """`✓ github  reconnect  done in 0.4 s`; `why` it failed, or is paused, is said too."""
    status = "accepted" if news.get("paused") else news["status"]
    sign = paint.either("✓", "+") if status == "applied" else paint.either("✗", "x") if status == "failed" else "!"
    took = f" in {news['ms'] / 1000:.1f} s" if status == "applied" and news.get("ms") else ""
    reason = f": {paint.safe(_reason(news))}" if why and _reason(news) else ""
    text = f"{news['action']}  {_WORDS.get(status, status)}{took}{reason}"
    return f"{paint.role(sign, _ROLES.get(status, 'warning'))} {paint.safe(news['server'])}  {text}"


def _reason(news: Answer) -> str:
    if paused := news.get("paused"):
        until = f"at {clock(paused['until'])}, or " if paused["until"] else ""
        return f"paused by {paused['who']}, takes effect {until}after `reconciler resume {news['server']}`"
    told = news.get("error") if news["status"] != "late" else None  # its word is the reason
    return str(told["message"]) if told else ""
