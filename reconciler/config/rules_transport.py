"""How a server is reached: exactly one of command and url, and only the fields that go with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from reconciler.config.findings import Findings
from reconciler.config.overlays import Path
from reconciler.config.words import named
from reconciler.model.document import transport_word
from reconciler.model.secret import BadReference, parse_template

_STDIO_FIELDS = ("args", "cwd", "env")
_REMOTE_FIELDS = ("headers", "oauth", "azure")
_IDLE_FIELDS = {"command": _REMOTE_FIELDS, "url": _STDIO_FIELDS, None: (*_STDIO_FIELDS, *_REMOTE_FIELDS)}
_OWNER = {"stdio": "command", "http": "url", "sse": "url"}


def check_transport(server_id: str, server: dict[str, Any], findings: Findings, *, strict: bool) -> None:
    """Find what is wrong with how a server is reached; `strict` makes a field without any effect an error."""
    path: Path = ("mcpServers", server_id)
    if "url" in server:
        _check_url(server["url"], (*path, "url"), findings)
    if "command" in server and "url" in server:
        hint = "keep `command` to start a program, or `url` to reach one that runs"
        findings.error_at_key("two-transports", f"{named(path)} has both `command` and `url`", path, hint)
    elif not any((*path, field) in findings.spoiled for field in ("command", "url", "type")):
        _check_one(server, path, findings, strict=strict)


def _check_one(server: dict[str, Any], path: Path, findings: Findings, *, strict: bool) -> None:
    given = "command" if "command" in server else "url" if "url" in server else None
    word = transport_word(server)
    if given is None and "type" not in server:
        _check_nothing(server, path, findings)
    elif given is None and word != "uplink":
        if not _is_mocked(server):
            hint = f"write `{_OWNER[word]}: ...`"
            findings.error_at_key("no-transport", f"{named(path)} has no `{_OWNER[word]}`", path, hint)
    elif _OWNER.get(word) != given:
        _refuse_type(word, given, path, findings)
    else:
        _check_fields(server, given, path, findings, strict=strict)


def _check_nothing(server: dict[str, Any], path: Path, findings: Findings) -> None:
    """Neither `command` nor `url`; what a refused `<<` would have brought in is not missing."""
    if _is_mocked(server) or any(problem.code == "merge-key" for problem in findings.problems):
        return
    hint = "write `command: ...` for a program, or `url: ...` for a server that runs elsewhere"
    findings.error_at_key("no-transport", f"{named(path)} has neither `command` nor `url`", path, hint)


def _is_mocked(server: dict[str, Any]) -> bool:
    return "mock" in server and bool(server["mock"].get("enabled", True))


def _refuse_type(word: str, given: str | None, path: Path, findings: Findings) -> None:
    fits, other = ("stdio", "url") if given == "command" else ("http", "command")
    hint = f"write `type: {fits}` or delete the line"
    if word != "uplink":
        hint += f", or write `{other}` instead of `{given}`"
    findings.error("type-mismatch", f"{named(path)} has a `{given}`, but its type is {word}", (*path, "type"), hint)


def _check_fields(server: dict[str, Any], given: str | None, path: Path, findings: Findings, *, strict: bool) -> None:
    why = f"has a `{given}`" if given else "dials in"
    for field in _IDLE_FIELDS[given]:
        if field in server and server[field] is not False:
            report = findings.error_at_key if strict else findings.warn_at_key
            detail = f"`{field}` means nothing for {named(path)}, which {why}"
            report("field-does-not-apply", detail, (*path, field), "delete it")


def _check_url(url: str, path: Path, findings: Findings) -> None:
    if why := _why_not_url(url):
        findings.error("bad-url", f"{named(path)} {why[0]}", path, why[1])


def _why_not_url(url: str) -> tuple[str, str] | None:
    """What is wrong with a URL, and the way out. A reference may hold the scheme and the host."""
    try:
        parts = parse_template(url).parts
    except BadReference:
        return None  # the references have their own check
    if parts and not isinstance(parts[0], str):
        return None
    text = "".join(part if isinstance(part, str) else "1" for part in parts)
    if any(character <= " " or character == "\x7f" for character in text):
        return "holds a space or a control character", "write `%20` for a space"
    return _why_not_address(text)


def _why_not_address(text: str) -> tuple[str, str] | None:
    try:
        split = urlsplit(text)
        port, host = split.port, split.hostname
    except ValueError:
        return "has a host or a port that is none", "write https://HOST:PORT/PATH"
    if split.scheme.lower() not in ("http", "https"):
        return "does not begin with http:// or https://", "write https://HOST/PATH"
    if not host or port == 0:
        return "names no host", "write https://HOST/PATH"
    return None
