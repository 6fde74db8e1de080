"""Which words may name a server, a group or a project."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from reconciler.config.findings import Findings
from reconciler.config.overlays import Path
from reconciler.config.words import named, quoted

RESERVED_PROJECTS = frozenset(
    {"api", "mcp", "connect", "oauth", "namespaces", "tokens", "health", "servers", "p", "ui"}
)
RESERVED_PROJECTS |= {"healthz", "readyz", "metrics", "openapi.json", "reconciler"}
"""First steps of our own routes: a project of that name could not be reached."""

SEPARATOR = "__"
"""Between a server's id and the name of its tool."""
LONGEST_VISIBLE = 60
"""Characters of a name that the gateway shows; a longer one is cut, with a hash at its end."""

ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_WILD = re.compile(r"[*?\[]")
_GRAMMAR = "1 to 63 letters, digits, `.`, `_` and `-`, the first and last a letter or digit"


def check_names(sound: dict[str, Any], findings: Findings) -> None:
    """Find every id, group and project name that cannot be used."""
    servers = sound.get("mcpServers", {})
    _check_keys("mcpServers", servers, findings)
    groups = sound.get("groups", {})
    _check_keys("groups", groups, findings)
    _check_group_words(servers, groups, findings)
    for server_id, server in servers.items():
        if not _why_not(server_id):
            _check_length(server_id, server, findings)
    project = sound.get("project")
    if project is None:
        return
    if why := _why_not(project):
        findings.error("bad-id", f'"project" {why[0]}', ("project",), why[1])
    elif project.lower() in RESERVED_PROJECTS:
        detail = f"{quoted(project)} stands for something else in our own addresses"
        findings.error("reserved-name", detail, ("project",), f'another name, such as "{project}-project"')


def _check_keys(field: str, keys: Iterable[str], findings: Findings) -> None:
    seen: dict[str, str] = {}
    for word in keys:
        path = (field, word)
        if why := _why_not(word):
            code = "reference-in-key" if "${" in word else "bad-id"
            findings.error_at_key(code, f"the id {quoted(word)} {why[0]}", path, why[1])
        elif word.lower() == "reconciler":
            findings.error_at_key("reserved-name", f"{quoted(word)} names our own tools", path, "choose another id")
        first = seen.setdefault(word.lower(), word)
        if first != word:
            detail = f"{quoted(first)} and {quoted(word)} differ only in case"
            findings.error_at_key("twin-id", detail, path, "rename one of the two")


def _why_not(word: str) -> tuple[str, str] | None:
    """What is wrong with an id, and the way out."""
    if ID.fullmatch(word):
        return ("holds `__`, which separates a server from its tool", "use a single `_`") if SEPARATOR in word else None
    if "${" in word:
        return "holds a reference; they stand in values only", "write the name itself"
    if not word:
        return "is empty", f"use {_GRAMMAR}"
    if len(word) > 63:
        return f"has {len(word)} characters", f"use {_GRAMMAR}"
    for character in word:
        if not re.fullmatch(r"[A-Za-z0-9._-]", character):
            return f"holds U+{ord(character):04X}", f"use {_GRAMMAR}"
    verb, character = ("ends", word[-1]) if ID.fullmatch(word[0]) else ("begins", word[0])
    return f"{verb} with {quoted(character)}", f"use {_GRAMMAR}"


def _check_group_words(servers: dict[str, Any], groups: Iterable[str], findings: Findings) -> None:
    """A group need not be declared, so the word on a server has the same grammar."""
    declared = {group.lower(): group for group in groups}
    for server_id, server in servers.items():
        word = server.get("group")
        if word is None or declared.get(word.lower()) == word:
            continue
        path: Path = ("mcpServers", server_id, "group")
        if why := _why_not(word):
            findings.error("bad-id", f"{named(path)} {why[0]}", path, why[1])
        elif (first := declared.setdefault(word.lower(), word)) != word:
            detail = f"the groups {quoted(first)} and {quoted(word)} differ only in case"
            findings.error("twin-id", detail, path, f"write {first}")


def _check_length(server_id: str, server: dict[str, Any], findings: Findings) -> None:
    """A name beyond what clients take is cut: of every tool when the id alone is too long, else of those named here."""
    path: Path = ("mcpServers", server_id)
    room = LONGEST_VISIBLE - len(server_id) - len(SEPARATOR)
    if room < 1:
        detail = f"the id {quoted(server_id)} leaves no room for a tool's name in {LONGEST_VISIBLE} characters"
        findings.warn_at_key("long-name", detail, path, "use a shorter id: every name is cut and ends with a hash")
        return
    for tool in server.get("tools", {}):
        fitting = LONGEST_VISIBLE - len(SEPARATOR) - len(tool)
        if len(tool) > room and fitting > 1 and not _WILD.search(tool):
            detail = f"{quoted(tool)} of server {quoted(server_id)} is cut to {LONGEST_VISIBLE} characters"
            hint = f"an id of at most {fitting} characters leaves it whole; else clients see a hash at its end"
            findings.warn_at_key("long-name", detail, (*path, "tools", tool), hint)


def check_display_name(thing: dict[str, Any], path: Path, findings: Findings) -> None:
    """A name for people holds no control character and nothing that turns the direction of the text around it."""
    name = thing.get("name")
    if name is not None and (match := UNSEEN.search(name)):
        detail = f"{named((*path, 'name'))} holds U+{ord(match.group()):04X}"
        findings.error("control-character", detail, (*path, "name"), "delete that character")
