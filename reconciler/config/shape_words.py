"""What to say about a value of the wrong type or outside its choices. Never says the value of a secret field."""

from __future__ import annotations

import re
from typing import Any

from reconciler.config.findings import Findings
from reconciler.config.overlays import Path
from reconciler.config.words import did_you_mean, either, named, nearest, quoted, type_word
from reconciler.model.document import TYPE_ALIASES, is_secret_path

_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
}
_EXPECTED_AT = {"env": "a list of names or a map", "oauth": "true, false or a map"}
_DURATION_FIELDS = {"start", "list", "call", "timeout", "keep"}
_TRUE_WORDS = {"yes", "on", "y", "true", "always"}
_FALSE_WORDS = {"no", "off", "n", "false", "never"}


def refuse_value(value: Any, path: Path, errors: list[dict[str, Any]], findings: Findings) -> None:
    """The one Problem for everything pydantic says about the `value` at `path`."""
    kinds = {error["type"]: error["ctx"] for error in errors}
    if _is_duration(path):
        detail = f"{named(path)} is {_shown(value)}"
        findings.error("bad-duration", detail, path, 'write a number with ms, s, m or h, such as "30s"')
    elif "string_pattern_mismatch" in kinds:
        findings.error("bad-value", f"{named(path)} is {_shown(value)}; it must be #rrggbb", path, 'such as "#6366f1"')
    elif "string_too_short" in kinds:
        findings.error("bad-value", f"{named(path)} must not be empty", path, "write it out or delete the line")
    elif "string_too_long" in kinds:
        most = kinds["string_too_long"]["max_length"]
        findings.error("bad-value", f"{named(path)} has more than {most} characters", path, "shorten it")
    elif "literal_error" in kinds:
        _refuse_choice(value, path, kinds, findings)
    else:
        expected = _expected(path, kinds)
        detail = f"{named(path)} must be {expected}, not {type_word(value)}"
        findings.error("wrong-type", detail, path, _way_out(value, path, expected, findings))


def _is_duration(path: Path) -> bool:
    return path[-1] in _DURATION_FIELDS and (
        path[-2:-1] == ("timeouts",) or path == ("approvals", "keep") or (len(path) == 5 and path[2] == "tools")
    )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else type_word(value)


def _refuse_choice(value: Any, path: Path, kinds: dict[str, Any], findings: Findings) -> None:
    choices = re.findall(r"'?([\w-]+)'?(?:, | or |$)", kinds["literal_error"]["expected"])
    if "bool_type" in kinds:
        choices = ["true", "false", *choices]
    detail = f"{named(path)} is {_shown(value)}; it must be {either(choices)}"
    findings.error("bad-value", detail, path, _choice_hint(value, choices))


def _choice_hint(value: Any, choices: list[str]) -> str:
    if not isinstance(value, str):
        return f"write {either(choices)}"
    if value in choices:
        return f"write {value} without quotes"
    if "true" in choices and (truth := _truth(value)):
        return f"write {truth}"
    alias = TYPE_ALIASES.get(value) if "sse" in choices else None
    return did_you_mean(alias or nearest(value, choices)) or f"write {either(choices)}"


def _truth(word: str) -> str | None:
    return "true" if word.lower() in _TRUE_WORDS else "false" if word.lower() in _FALSE_WORDS else None


def _expected(path: Path, kinds: dict[str, Any]) -> str:
    if len(path) == 3 and path[0] == "mcpServers" and path[2] in _EXPECTED_AT:
        return _EXPECTED_AT[str(path[2])]
    return either(_EXPECTED.get(kind, "another value") for kind in kinds)


def _way_out(value: Any, path: Path, expected: str, findings: Findings) -> str:
    if expected == "text" and isinstance(value, bool | int | float):
        return _quote_hint(value, path, findings)
    if isinstance(value, str) and "true" in expected and (truth := _truth(value)):
        is_plain = findings.layers.source_text(path) == value
        return f"{value} is text in YAML 1.2: write {truth}" if is_plain else f"write {truth} without quotes"
    if path[-1] == "command" and isinstance(value, list):
        return "the program goes into `command`, the rest into `args`"
    if expected == "a list" and isinstance(value, str):
        return f'write a list: `{path[-1]}: ["..."]`'
    if expected == "a map" and path[-1] in ("headers", "env"):
        return "write a map: `NAME: value`"
    return f"write {expected}"


def _quote_hint(value: bool | int | float, path: Path, findings: Findings) -> str:
    secret = path[:1] == ("mcpServers",) and is_secret_path(path[2:]) and not isinstance(value, bool)
    return "quote it" if secret else f'quote it: "{findings.layers.source_text(path)}"'
