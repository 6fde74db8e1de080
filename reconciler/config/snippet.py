"""Servers out of a piece of some client's file, as people copy it from a README. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import dedent
from typing import Any

from reconciler.config.bring import ROOTS, translated
from reconciler.config.events import MAX_BYTES, parse_yaml
from reconciler.config.json_text import parse_json
from reconciler.config.tree import Node
from reconciler.problems import Problem, errors

_NAME = "the snippet"
_ROOTS = (*ROOTS, "context_servers")
"""The last is Zed's."""
_AS_EDITORS_WRITE = ("comment-in-json", "trailing-comma")
"""What is no JSON, and stands in the JSON of VS Code, Zed and others all the same."""
_MEMBERS = re.compile(r"""(?:[ \t\r\n]|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+\"""")
"""Members of an object without its braces: it begins with a name, behind comments."""
_STARTS = ("command", "url")
_AROUND = "mcp"
"""What VS Code's settings have around the servers."""


class NotASnippet(ValueError):
    """There are no servers in it; the message says why, without any of the text."""


def servers_in(text: str) -> dict[str, dict[str, Any]]:
    """The entries in our words, by the id that they have there, "" where it has none. Raises NotASnippet.

    Read as JSON, with comments and trailing commas, or else as YAML: a whole file of a client, what is below
    `mcpServers` or `servers`, or one entry.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise NotASnippet(f"the snippet has more than {MAX_BYTES // 1024 // 1024} MiB")
    tree, problems = _read(dedent(text.strip("\r\n")))
    wrong = [problem for problem in errors(problems) if problem.code != "empty-file"]
    if wrong:
        place, hint = wrong[0].place, wrong[0].hint
        at = f"line {place.line}: " if place else ""
        raise NotASnippet(f"{at}{wrong[0].detail}{f': {hint}' if hint else ''}")
    found = _entries(tree.value if tree is not None else None)
    if not found:
        raise NotASnippet("no server is in it: copy the part with `mcpServers`, or one entry with `command` or `url`")
    return {id: translated(entry) for id, entry in found.items()}


def _read(text: str) -> tuple[Node | None, list[Problem]]:
    """The value, and what is wrong with it. Of JSON also what was cut out of it: members, and the comma behind."""
    whole = f"{{{text}\n}}" if _MEMBERS.match(text) else text
    for each in (whole, f"[{text}\n]"):
        tree, problems = parse_json(each, _NAME)
        if not (wrong := _besides_comments(problems)):
            return tree, wrong
    said = parse_json(whole, _NAME)[1]
    if len(wrong := _besides_comments(said)) < len(said):
        return None, wrong
    return parse_yaml(text.rstrip().rstrip(","), _NAME)


def _besides_comments(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.code not in _AS_EDITORS_WRITE]


def _entries(value: Any) -> dict[str, Any]:
    if isinstance(value, list) and len(value) == 1:
        [value] = value
    if not isinstance(value, dict):
        return {}
    if any(isinstance(value.get(word), str) for word in _STARTS):
        return {"": value}
    around = value.get(_AROUND)
    inside = around if isinstance(around, Mapping) and around.keys() & set(_ROOTS) else value
    servers = next((inside[root] for root in _ROOTS if root in inside), value)
    entries = servers.values() if isinstance(servers, dict) else ()
    return servers if entries and all(isinstance(entry, dict) for entry in entries) else {}
