"""Servers out of a piece of some client's file, as people copy it from a README. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent
from typing import Any

from reconciler.config.bring import ROOTS, translated
from reconciler.config.events import MAX_BYTES, parse_yaml
from reconciler.problems import errors

_NAME = "the snippet"
_STARTS = ("command", "url")
_AROUND = "mcp"
"""What VS Code's settings have around the servers."""


class NotASnippet(ValueError):
    """There are no servers in it; the message says why, without any of the text."""


def servers_in(text: str) -> dict[str, dict[str, Any]]:
    """The entries in our words, by the id that they have there, "" where it has none. Raises NotASnippet.

    Read as YAML, which JSON is: a whole file of a client, what is below `mcpServers` or `servers`, or one entry.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise NotASnippet(f"the snippet has more than {MAX_BYTES // 1024 // 1024} MiB")
    tree, problems = parse_yaml(_bare(text), _NAME)
    wrong = [problem for problem in errors(problems) if problem.code != "empty-file"]
    if wrong:
        place, hint = wrong[0].place, wrong[0].hint
        at = f"line {place.line}: " if place else ""
        raise NotASnippet(f"{at}{wrong[0].detail}{f': {hint}' if hint else ''}")
    found = _entries(tree.value if tree is not None else None)
    if not found:
        raise NotASnippet("no server is in it: copy the part with `mcpServers`, or one entry with `command` or `url`")
    return {id: translated(entry) for id, entry in found.items()}


def _bare(text: str) -> str:
    """An entry that was cut out of JSON ends with the comma before the next one."""
    return dedent(text.strip("\r\n")).rstrip().rstrip(",")


def _entries(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    if any(isinstance(value.get(word), str) for word in _STARTS):
        return {"": value}
    around = value.get(_AROUND)
    inside = around if isinstance(around, Mapping) and around.keys() & set(ROOTS) else value
    servers = next((inside[root] for root in ROOTS if root in inside), value)
    entries = servers.values() if isinstance(servers, dict) else ()
    return servers if entries and all(isinstance(entry, dict) for entry in entries) else {}
