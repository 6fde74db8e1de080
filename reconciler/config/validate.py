"""The shape of the merged value: which fields there are and of what type. Turns pydantic's errors into our Problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from reconciler.config.fields import meant, way_out
from reconciler.config.findings import Findings
from reconciler.config.overlays import Path
from reconciler.config.shape_words import refuse_value
from reconciler.config.words import did_you_mean, named, quoted
from reconciler.model.document import TYPE_ALIASES
from reconciler.model.written import WrittenDocument

_TAGGED = {"env", "oauth", "requireApproval"}
_FIELD_DEPTHS = {("mcpServers", 3), ("mcpServers", 5), ("groups", 3), ("defaults", 2)}
_OTHER_ROOTS = ("servers", "mcp", "context_servers", "mcp_servers")


def check_shape(value: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Find every mistake of type or name in `value`; answers `value` without what is wrong, to be looked at further.

    Without `version:` unknown fields at the top and of servers are warnings, and the words of other clients are fine.
    """
    if "version" not in value and "mcpServers" not in value:
        _check_other_roots(value, findings)
    wrong: list[Path] = []
    for path, errors in _errors_by_path(value).items():
        if path == ("mcpServers",) and path[0] not in value:
            _report_missing_servers(value, findings)
        elif not _is_client_word(value, path):
            wrong.append(path)
            _report(value, path, errors, findings)
    return without(value, wrong) if wrong else value


def _errors_by_path(value: Any) -> dict[Path, list[dict[str, Any]]]:
    """pydantic's errors by the path they are about; the several errors of one union stand together."""
    found: dict[Path, list[dict[str, Any]]] = defaultdict(list)
    if value.get("version") is True:  # which pydantic takes for 1
        found[("version",)].append({"type": "literal_error", "ctx": {"expected": "1"}})
    try:
        WrittenDocument.model_validate(value)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            location = one["loc"]
            missing = location[-1:] if one["type"] == "missing" else ()
            path = real_path(value, location[:-1] if missing else location) + missing
            found[path].append({"type": one["type"], "ctx": one.get("ctx", {})})
    return dict(sorted(found.items(), key=lambda item: item[0] == ("mcpServers",)))


def real_path(value: Any, location: Iterable[Any]) -> Path:
    """A pydantic location without the tags of unions, which are no steps into `value`."""
    path: Path = ()
    steps = iter(location)
    for step in steps:
        if step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int):
            path, value = (*path, step), value[step]
            if step in _TAGGED and (path[0], len(path)) in _FIELD_DEPTHS:
                next(steps, None)
    return path


def without(value: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """`value` without the members at `paths`; a wrong list item takes its list along. `value` itself stays."""
    fresh: dict[Path, dict[str, Any]] = {(): dict(value)}
    for path in paths:
        names = [step for index, step in enumerate(path) if not any(isinstance(s, int) for s in path[: index + 1])]
        parent: dict[str, Any] = fresh[()]
        for depth, step in enumerate(names[:-1], 1):
            here = path[:depth]
            if here not in fresh:
                fresh[here] = parent[str(step)] = dict(parent[str(step)])
            parent = fresh[here]
        parent.pop(str(names[-1]), None)
    return fresh[()]


def _check_other_roots(value: dict[str, Any], findings: Findings) -> None:
    root = next((root for root in _OTHER_ROOTS if isinstance(value.get(root), dict | list)), None)
    if root:
        detail = f"{quoted(root)} is where another program keeps its servers"
        findings.error_at_key("other-client-file", detail, (root,), "here they stand under `mcpServers`")
        findings.spoiled |= {(root,), ("mcpServers",)}


def _report_missing_servers(value: dict[str, Any], findings: Findings) -> None:
    if ("mcpServers",) not in findings.spoiled:
        hint = "write `mcpServers: {}` for no servers at all"
        findings.error_at_key("missing-servers", "the file has no `mcpServers`", (), hint)


def _is_client_word(value: dict[str, Any], path: Path) -> bool:
    """Whether pydantic refuses something that files without `version:` may say."""
    if "version" in value or len(path) != 3 or path[0] != "mcpServers":
        return False
    word = _at(value, path)
    if path[2] == "type":
        return isinstance(word, str) and word in TYPE_ALIASES
    return path[2] == "disabled" and isinstance(word, bool)


def _report(value: dict[str, Any], path: Path, errors: list[dict[str, Any]], findings: Findings) -> None:
    kinds = {error["type"] for error in errors}
    if path in findings.spoiled:
        return
    findings.spoiled.add(path)
    if "extra_forbidden" in kinds and _is_disabled(value, path):
        refuse_value(_at(value, path), path, [{"type": "bool_type", "ctx": {}}], findings)
    elif "extra_forbidden" in kinds:
        _report_unknown(value, path, findings)
    elif "missing" in kinds:
        owner, hint = named(path[:-1]), f"write `{path[-1]}: ...`"
        findings.error_at_key("missing-field", f"{owner} lacks {quoted(str(path[-1]))}", path, hint)
    else:
        refuse_value(_at(value, path), path, errors, findings)


def _is_disabled(value: dict[str, Any], path: Path) -> bool:
    """`disabled` is a field of a server where there is no `version:`."""
    return "version" not in value and len(path) == 3 and path[::2] == ("mcpServers", "disabled")


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _report_unknown(value: dict[str, Any], path: Path, findings: Findings) -> None:
    owner, word = path[:-1], str(path[-1])
    field = meant(word, owner)
    missed = field if field and field not in _at(value, owner) else None
    if "version" not in value and len(owner) in (0, 2) and not _is_needed(value, owner, missed):
        detail = f"{named(owner)} has a field {quoted(word)} that means nothing here"
        hint = did_you_mean(missed) or "it is kept as it is"
        findings.warn_at_key("unknown-field", detail, path, hint)
        return
    if missed:
        findings.spoiled.add((*owner, missed))
    detail = f"{named(owner)} has no field {quoted(word)}"
    findings.error_at_key("unknown-field", detail, path, way_out(word, _at(value, path), owner))


def _is_needed(value: dict[str, Any], owner: Path, field: str | None) -> bool:
    """Whether the object at `owner` cannot do without the field that an unknown one seems to stand for."""
    if field in ("command", "url"):
        return not _at(value, owner).keys() & {"command", "url"}
    return field == "mcpServers"
