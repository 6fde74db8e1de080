"""Clients that others wrote against a real engine with real servers: each lists everything and makes the same calls.

`python -m tests.real.clients_campaign [--short] [--only ID ...]`: prints a table and ends with 1 when something was not
as it must be. What is not in the caches of npm, npx and uvx yet is fetched by them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.clients import CLIENTS, RealClient, Seen
from tests.real.running import Engine, engine, rig
from tests.real.servers import npx, uvx

SERVERS: Mapping[str, Any] = {
    "everything": npx("@modelcontextprotocol/server-everything"),
    "time": uvx("mcp-server-time", "--local-timezone", "UTC"),
    "light": rig("light"),
    "stateless": rig("stateless"),
}
SHORT = ("everything", "light", "stateless")
"""The servers of the short campaign: each era, and one that somebody else wrote."""
CALLS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "everything__echo": ({"message": "hello"}, "Echo: hello"),
    "everything__get-sum": ({"a": 2, "b": 40}, "42"),
    "time__get_current_time": ({"timezone": "UTC"}, "UTC"),
    "light__echo": ({"text": "hello"}, "hello"),
    "stateless__echo": ({"text": "hello"}, "hello"),
}
"""Visible name, arguments, and a text that the answer holds."""
ASKS: Mapping[str, tuple[Mapping[str, Any], str]] = {"light__ask": ({"text": "May I?"}, '"action": "accept"')}
"""The same for calls in which the server asks the client's user."""


@dataclass(frozen=True, slots=True)
class Row:
    client: RealClient
    seen: Seen | None
    took: float
    wrong: Sequence[str]


def campaign(clients: Iterable[RealClient], servers: Iterable[str], folder: Path) -> list[Row]:
    """One row for each client, all against the same engine."""
    with engine(folder, {name: SERVERS[name] for name in servers}, timeouts={"start": "120s"}) as running:
        calls = {name: call for name, call in CALLS.items() if name.partition("__")[0] in servers}
        tools = {f"{found['server']}__{found['name']}" for found in running.ask("tools")["tools"]}
        return [_look(client, running, calls, tools) for client in clients]


def _look(
    client: RealClient, running: Engine, calls: Mapping[str, tuple[Mapping[str, Any], str]], tools: set[str]
) -> Row:
    start = time.monotonic()
    try:
        calls = {**calls, **(ASKS if client.asked else {})}
        seen = client.drive(running, [(name, given) for name, (given, _) in calls.items()])
    except (RuntimeError, OSError, ValueError) as error:
        return Row(client, None, time.monotonic() - start, [f"{client.id}: {error}"])
    wrong = _wrong(client, seen, [answer for _, answer in calls.values()], tools)
    return Row(client, seen, time.monotonic() - start, [f"{client.id}: {words}" for words in wrong])


def _wrong(client: RealClient, seen: Seen, answers: Sequence[str], tools: set[str]) -> Iterator[str]:
    if client.protocol is not None and seen.protocol != client.protocol:
        yield f"agreed on {seen.protocol}, not {client.protocol}"
    if not seen.tools:
        return
    if set(seen.tools) != tools:
        yield f"sees other tools: {sorted(set(seen.tools) ^ tools)}"
    for expected, answer in zip(answers, seen.answers, strict=True):
        if expected not in answer:
            yield f"was answered {answer!r}, not {expected!r}"
    if not seen.prompts or not seen.resources or not seen.read:
        yield f"saw prompts {seen.prompts}, resources {seen.resources}, read {seen.read}"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """A Markdown table of what was seen."""
    yield "| client | through | protocol | tools | prompts | resources | calls | all of it, s |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        seen = row.seen
        counts = ["", "", "", "FAILED"] if seen is None else [_count(seen.tools), *_others(seen)]
        protocol = (seen.protocol if seen else None) or ""
        cells = [row.client.what, row.client.through, protocol, *counts, f"{row.took:.1f}"]
        yield f"| {' | '.join(cells)} |"


def _others(seen: Seen) -> list[str]:
    return [_count(seen.prompts), _count(seen.resources), _count(seen.answers) if seen.tools else "connected"]


def _count(found: Sequence[str] | None) -> str:
    return str(len(found)) if found else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="fewer clients and servers")
    parser.add_argument("--only", nargs="+", metavar="ID", help="these clients only")
    given = parser.parse_args()
    chosen = [client for client in CLIENTS if client.id in (given.only or [client.id])]
    chosen = [client for client in chosen if client.short] if given.short else chosen
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        rows = campaign(chosen, SHORT if given.short else tuple(SERVERS), Path(folder).resolve())
    print("\n".join(table(rows)))
    wrong = [words for row in rows for words in row.wrong]
    for words in wrong:
        print(f"WRONG: {words}", file=sys.stderr)
    print(f"{len(rows)} clients, {len(wrong)} things wrong", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
