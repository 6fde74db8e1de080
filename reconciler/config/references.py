"""References and secrets in the texts of a configuration: what can be resolved, what should not be written out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.config.findings import Findings
from reconciler.config.overlays import Path
from reconciler.config.words import did_you_mean, named, nearest
from reconciler.model.document import Document, is_secret_path, references_in
from reconciler.model.secret import BadReference, SecretRef, Template, parse_template, secrets_in, tells_secret

RESOLVED_FIELDS = ("command", "args", "cwd", "env", "url", "headers", "oauth", "azure")
"""The fields of a server whose texts may hold references."""

_SHOWN_FIELDS = ("name", "description", "iconUrl")
_SCHEMES = ("env", "file", "secret")
_FORMS = "write ${env:NAME}, ${env:NAME:-default}, ${file:PATH}, ${secret:NAME} or ${workspaceFolder}"
_HARMLESS_NAMES = {"HOME", "USER", "PWD", "PATH", "TMPDIR", "LANG", "SHELL", "HOSTNAME", "LOGNAME"}
_SIGN_IN_WORD = re.compile(r"(?i)(?:bearer|basic|token)\s+")
_PLACEHOLDER = re.compile(
    r"(?i)<.*>|\[.*\]|your\b.*|your[-_].*|.*[-_]here|x+|\*+|\.+|change[-_]?me|todo|none|true|false"
)
_ELSEWHERE = re.compile(r"[/~.].*|[0-9]{1,6}")
_IN_THE_ENVIRONMENT = "put it into an environment variable and write ${env:NAME}, or keep it as ${secret:NAME}"


def check_references(sound: dict[str, Any], findings: Findings) -> None:
    """Find every reference that is none, every one in a place where it harms or is lost, and every literal secret."""
    if "${" in sound.get("envFile", ""):
        _warn_unresolved(("envFile",), findings)
    for server_id, server in sound.get("mcpServers", {}).items():
        for field in RESOLVED_FIELDS:
            value = server.get(field)
            if isinstance(value, str):
                _check_text(value, ("mcpServers", server_id, field), findings)
            elif isinstance(value, dict | list):
                for text, path in texts(value, ("mcpServers", server_id, field)):
                    _check_text(text, path, findings)
        for field in _SHOWN_FIELDS:
            if "${" in server.get(field, ""):
                _warn_unresolved(("mcpServers", server_id, field), findings)
        for text, path in texts(server.get("metadata"), ("mcpServers", server_id, "metadata")):
            _check_literals(text, None, path, findings)


def texts(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    """Every string inside a JSON value with its path; never a key."""
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from texts(member, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*path, index))


def _check_text(text: str, path: Path, findings: Findings) -> None:
    template: Template | None = None
    if "$" in text and not (path[2] == "env" and isinstance(path[-1], int)):
        try:
            template = parse_template(text)
        except BadReference as error:
            _refuse(text, error, path, findings)
            return
    if template and path[2] == "args":
        _check_argument(template, path, findings)
    _check_literals(text, template, path, findings)


def _refuse(text: str, error: BadReference, path: Path, findings: Findings) -> None:
    hint = did_you_mean(nearest(error.scheme, _SCHEMES)) if error.scheme else None
    hint = hint or (_FORMS if error.closed else "close it with `}`, or write `$${` for the text itself")
    findings.error_inside("bad-reference", f"{named(path)}: {error}", path, text[slice(*error.span)], hint)


def _check_argument(template: Template, path: Path, findings: Findings) -> None:
    for reference in template.references:
        if reference.scheme != "workspaceFolder" and reference.name not in _HARMLESS_NAMES:
            detail = f"{named(path)}: the value ends in the command line, which others on this machine can read"
            findings.warn("reference-in-args", detail, path, "hand it over in `env` where the program allows that")
            return


def _warn_unresolved(path: Path, findings: Findings) -> None:
    detail = f"{named(path)} is used as it is written, with its `${{`"
    findings.warn("reference-not-resolved", detail, path, f"references work in {', '.join(RESOLVED_FIELDS)}")


def _check_literals(text: str, template: Template | None, path: Path, findings: Findings) -> None:
    if _holds_secret(text, template) or (_is_secret_field(path) and _could_be_secret(text, template)):
        findings.warn("literal-secret", f"{named(path)} holds what looks like a secret", path, _IN_THE_ENVIRONMENT)


def _holds_secret(text: str, template: Template | None) -> bool:
    if template is None:
        return bool(secrets_in(text))
    literals = (part if isinstance(part, str) else part.default or "" for part in template.parts)
    return any(map(secrets_in, literals))


def _is_secret_field(path: Path) -> bool:
    return is_secret_path(path[2:]) and isinstance(path[-1], str) and tells_secret(path[-1])


def _could_be_secret(text: str, template: Template | None) -> bool:
    if template and any(isinstance(part, SecretRef) for part in template.parts):
        return False
    word = _SIGN_IN_WORD.sub("", text, count=1)
    return len(word) >= 4 and not _PLACEHOLDER.fullmatch(word) and not _ELSEWHERE.fullmatch(word)


def names_mentioned(document: Document) -> set[str]:
    """The environment variables that a document reads: in `env` lists, and as `${env:NAME}` or `${NAME}`."""
    names: set[str] = set()
    for server in document.servers.values():
        env = server.get("env")
        names |= set(env) if isinstance(env, list) else set()
        for field in RESOLVED_FIELDS:
            for text, _ in texts(server.get(field), ()):
                names |= _variables(text)
    return names


def secrets_mentioned(document: Document) -> dict[str, list[str]]:
    """The stored secrets that a document names, each with its servers, sorted."""
    found: dict[str, set[str]] = {}
    for server_id, server in document.servers.items():
        for reference in references_in({field: server[field] for field in RESOLVED_FIELDS if field in server}):
            if reference.startswith("${secret:"):
                found.setdefault(reference[len("${secret:") : -1], set()).add(server_id)
    return {name: sorted(found[name]) for name in sorted(found)}


def _variables(text: str) -> set[str]:
    try:
        return {ref.name for ref in parse_template(text).references if ref.scheme == "env"}
    except BadReference:
        return set()
