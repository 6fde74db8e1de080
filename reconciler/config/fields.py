"""What is known about the fields of a configuration: which there are, and the words that other programs use."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from reconciler.config.overlays import Path
from reconciler.config.words import nearest, quoted
from reconciler.model.written import (
    Approvals,
    Azure,
    Defaults,
    Group,
    Mock,
    OAuth,
    Timeouts,
    ToolRule,
    WrittenDocument,
    WrittenServer,
)

_KEYED: dict[str | int, type[BaseModel]] = {"mcpServers": WrittenServer, "groups": Group, "tools": ToolRule}
_NESTED: dict[str | int, type[BaseModel]] = {
    "defaults": Defaults,
    "timeouts": Timeouts,
    "approvals": Approvals,
    "oauth": OAuth,
    "azure": Azure,
    "mock": Mock,
}
_FOREIGN = {
    "servers": "mcpServers",
    "mcp": "mcpServers",
    "serverurl": "url",
    "httpurl": "url",
    "endpoint": "url",
    "uri": "url",
    "baseurl": "url",
    "cmd": "command",
    "executable": "command",
    "arguments": "args",
    "environment": "env",
    "envvars": "env",
    "environmentvariables": "env",
    "transport": "type",
    "transporttype": "type",
    "workingdirectory": "cwd",
    "auth": "oauth",
    "title": "name",
    "displayname": "name",
    "label": "name",
    "icon": "iconUrl",
    "timeout": "timeouts",
    "disabledtools": "denyTools",
    "excludetools": "denyTools",
    "enabledtools": "allowTools",
    "includetools": "allowTools",
}
"""Words of other programs, in lower case without `_` and `-`, and the field that says the same here."""

_WAYS_OUT = {
    "disabled": "write `enabled: false`",
    "autoApprove": "write `tools: {NAME: {requireApproval: false}}`",
    "alwaysAllow": "write `tools: {NAME: {requireApproval: false}}`",
    "trust": "write `requireApproval: false`",
}


def fields_at(path: Path) -> list[str]:
    """The names that the object at `path` may have in the file; `path` leads through the model only."""
    model: type[BaseModel] = WrittenDocument
    steps = iter(path)
    for step in steps:
        if step in _KEYED:
            next(steps, None)
            model = _KEYED[step]
        else:
            model = _NESTED[step]
    return [info.alias or name for name, info in model.model_fields.items()]


def meant(word: str, path: Path) -> str | None:
    """The field of the object at `path` that an unknown `word` probably stands for."""
    known = {name: name for name in fields_at(path)}
    known = {foreign: name for foreign, name in _FOREIGN.items() if name in known} | known
    found = nearest(word, known)
    return known[found] if found else None


def way_out(word: str, value: Any, path: Path) -> str:
    """The hint for the unknown field `word` with its `value`, of the object at `path`."""
    if len(path) == 2 and word in _WAYS_OUT:
        return _WAYS_OUT[word]
    if path and word in fields_at(()):
        return f"{quoted(word)} belongs at the top of the file"
    if not path and word in WrittenServer.model_fields:
        return f"{quoted(word)} belongs to a server, under `mcpServers`"
    if found := meant(word, path):
        return f"did you mean {quoted(found)}?"
    if not path and isinstance(value, dict) and value.keys() & {"command", "url"}:
        return "a server stands under `mcpServers`"
    return f"delete it; known are {', '.join(fields_at(path))}" if len(fields_at(path)) <= 8 else "delete it"
