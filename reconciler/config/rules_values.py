"""What may stand in a server's texts: names of variables and headers, and characters that never belong there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.config.findings import Findings
from reconciler.config.overlays import Path
from reconciler.config.rules_names import check_display_name
from reconciler.config.words import named, quoted

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_HEADER_VALUE = re.compile(r"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
_VARIABLE = re.compile(r"[^=\x00-\x1f\x7f]+")
_RESERVED_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}


def fits_header(value: str) -> bool:
    """Whether a text can be sent as the value of a header."""
    return _HEADER_VALUE.fullmatch(value) is not None


def check_values(server_id: str, server: dict[str, Any], findings: Findings) -> None:
    """Find every unusable text in the fields of one server."""
    path: Path = ("mcpServers", server_id)
    check_display_name(server, path, findings)
    for field in ("command", "cwd"):
        if "\0" in server.get(field, ""):
            _refuse_nul((*path, field), findings)
    for index, text in enumerate(server.get("args", ())):
        if "\0" in text:
            _refuse_nul((*path, "args", index), findings)
    if "env" in server:
        _check_env(server["env"], (*path, "env"), findings)
    if "headers" in server:
        _check_headers(server["headers"], (*path, "headers"), findings)
    for pattern in server.get("tools", ()):
        if "${" in pattern:
            _refuse_reference(pattern, (*path, "tools", pattern), findings)


def _refuse_nul(path: Path, findings: Findings) -> None:
    detail = f"{named(path)} holds U+0000, which no program can be given"
    findings.error("control-character", detail, path, "delete that character")


def _refuse_reference(word: str, path: Path, findings: Findings) -> None:
    detail = f"{named(path)}: references stand in values only"
    findings.error_at_key("reference-in-key", detail, path, "write the name itself")


def _check_env(env: Mapping[str, str] | list[str], path: Path, findings: Findings) -> None:
    if isinstance(env, list):
        _check_forwarded(env, path, findings)
        return
    for name, value in env.items():
        if "${" in name:
            _refuse_reference(name, (*path, name), findings)
        elif not _VARIABLE.fullmatch(name):
            detail, hint = f"{named(path)}: {quoted(name)} names no variable", "write a name without `=`"
            findings.error_at_key("bad-env-name", detail, (*path, name), hint)
        if "\0" in value:
            _refuse_nul((*path, name), findings)


def _check_forwarded(names: Iterable[str], path: Path, findings: Findings) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        here = (*path, index)
        if "=" in name:
            detail = f"{named(path)} is a list, which only names variables to hand on"
            findings.error("bad-env-name", detail, here, "write a map to set values: `env: {NAME: value}`")
        elif "${" in name:
            detail, hint = f"{named(here)} is a name, not a value", "write the variable's name alone"
            findings.error("bad-env-name", detail, here, hint)
        elif not _VARIABLE.fullmatch(name):
            findings.error("bad-env-name", f"{named(here)} names no variable", here, "write a name")
        elif name in seen:
            findings.error("duplicate-name", f"{named(path)} lists {quoted(name)} twice", here, "delete one of the two")
        seen.add(name)


def _check_headers(headers: Mapping[str, str], path: Path, findings: Findings) -> None:
    seen: dict[str, str] = {}
    for name, value in headers.items():
        here, lower = (*path, name), name.lower()
        if "${" in name:
            _refuse_reference(name, here, findings)
        elif not _TOKEN.fullmatch(name):
            hint = "use letters, digits and `-`"
            findings.error_at_key("bad-header-name", f"{named(path)}: {quoted(name)} is no header", here, hint)
        elif lower in _RESERVED_HEADERS or lower.startswith("mcp-"):
            detail = f"{quoted(name)} is set by the transport itself"
            findings.error_at_key("reserved-header", detail, here, "delete it")
        elif seen.setdefault(lower, name) != name:
            detail = f"{quoted(seen[lower])} and {quoted(name)} are the same header"
            findings.error_at_key("duplicate-header", detail, here, "delete one of the two")
        if not fits_header(value):
            detail = f"{named(here)} holds a line end, a control character, or a space at an end"
            findings.error("bad-header-value", detail, here, "write it on one line without spaces around it")
