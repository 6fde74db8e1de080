"""What a body of the list-servers dialect asks for, in the words of our file. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from reconciler.faces.http.problems import HttpProblem
from reconciler.merge_patch import apply

TRANSPORTS = ("stdio", "http", "sse")
_LONGEST_ID = 48
_TEXTS = {"name": "name", "description": "description", "url": "url", "command": "command"}
_TIMES = ("requestTimeout", "maxTotalTimeout")
_OAUTH = {"oauthClientId": "clientId", "oauthClientSecret": "clientSecret", "oauthScope": "scopes"}
_PROXY = ("proxyUrl", "proxyAuthToken")
_OBSERVED = ("status", "capabilities", "serverImplementation")
_KNOWN = {
    *("projectId", "transportType", "connectionType", "args", "env", "customHeaders", "proxyAuthHeader"),
    *(*_TEXTS, *_TIMES, *_OAUTH, *_PROXY, *_OBSERVED),
}


def read_server(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new server; `name` is always there. Raises HttpProblem 400."""
    if not text_of(body, "name"):
        raise _wrong("name", "is required")
    return {"name": text_of(body, "name"), **read_transport(body)}


def read_transport(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a server that perhaps has no name yet. Raises HttpProblem 400."""
    kind = text_of(body, "transportType")
    if kind not in TRANSPORTS:
        raise _wrong("transportType", "must be stdio, http or sse")
    fields: dict[str, Any] = apply({}, _fields(body))
    needs, idle = ("command", "url") if kind == "stdio" else ("url", "command")
    if needs not in fields:
        raise _wrong(needs, f"is required for {kind}")
    if idle in fields:
        raise _wrong(idle, f"means nothing for {kind}")
    return {**fields, "type": "sse"} if kind == "sse" else fields


def read_patch(body: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch of one server, which is `written` so now: null removes. Raises HttpProblem 400."""
    fields = _fields(body)
    for name in ("env", "headers"):
        before = written.get(name)
        if isinstance(fields.get(name), dict) and isinstance(before, dict):
            fields[name] = {**dict.fromkeys(before), **fields[name]}
    kind = text_of(body, "transportType")
    if kind is not None:
        here = "stdio" if "command" in written else "remote"
        if kind not in TRANSPORTS or (kind == "stdio") != (here == "stdio"):
            raise _wrong("transportType", "can change between http and sse only; create another server")
        fields["type"] = "sse" if kind == "sse" else None
    return fields


def _fields(body: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unserved(body)
    fields: dict[str, Any] = {f: text_of(body, member) for member, f in _TEXTS.items() if member in body}
    if "args" in body:
        fields["args"] = _words(body)
    if "env" in body:
        fields["env"] = _env(body["env"])
    if "customHeaders" in body:
        fields["headers"] = _headers(body["customHeaders"])
    if "connectionType" in body:
        fields["connection"] = _connection(body)
    oauth = {field: text_of(body, member) for member, field in _OAUTH.items() if member in body}
    if oauth:
        fields["oauth"] = _oauth(oauth)
    times = [_duration(body, member) for member in _TIMES if body.get(member) is not None]
    if times:
        fields["timeouts"] = {"call": times[-1]}
    return fields


def _refuse_unserved(body: Mapping[str, Any]) -> None:
    for member in body:
        if member not in _KNOWN:
            raise _wrong(member, "is not known")
        if member in _OBSERVED and body[member] is not None:
            raise _wrong(member, "is what the server shows; it cannot be set")
        if member in _PROXY and body[member] not in (None, ""):
            raise _wrong(member, "cannot be used: the gateway of this engine is the proxy")


def text_of(body: Mapping[str, Any], member: str) -> str | None:
    """A text; none at all, null and the empty one are the same. Raises HttpProblem 400."""
    value = body.get(member)
    if not isinstance(value, str | None):
        raise _wrong(member, "must be text")
    return value or None


def _words(body: Mapping[str, Any]) -> list[str] | None:
    """Arguments in one text are cut at spaces, quotes as in a POSIX shell; no shell ever reads them."""
    value = body["args"]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return value
    try:
        words = shlex.split(text_of(body, "args") or "")
    except ValueError as error:
        raise _wrong("args", "has a quotation mark without its twin") from error
    return words or None


def _env(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _wrong("env", "must be an object of texts")
    return value


def _headers(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    found: dict[str, str] = {}
    for pair in value if isinstance(value, list) else [None]:
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str) or not isinstance(pair.get("value"), str):
            raise _wrong("customHeaders", 'must be a list of {"key", "value"}')
        if pair["key"] in found:
            raise _wrong("customHeaders", "names a header twice")
        found[pair["key"]] = pair["value"]
    return found


def _connection(body: Mapping[str, Any]) -> str | None:
    kind = text_of(body, "connectionType")
    if kind not in ("proxy", "direct", None):
        raise _wrong("connectionType", "must be direct or proxy")
    return "direct" if kind == "direct" else None


def _oauth(given: Mapping[str, str | None]) -> dict[str, Any] | None:
    scopes = given.get("scopes")
    members: dict[str, Any] = {**given, **({"scopes": scopes.split()} if scopes else {})}
    return members if any(value is not None for value in members.values()) else None


def _duration(body: Mapping[str, Any], member: str) -> str:
    value = body[member]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or not 0 < value < 10**9:
        raise _wrong(member, "must be a whole number of milliseconds")
    return f"{int(value) // 1000}s" if value % 1000 == 0 else f"{int(value)}ms"


def id_for(name: str, taken: Collection[str]) -> str:
    """An id that people recognise and nobody has yet."""
    word = re.sub(r"[^a-z0-9._-]+|__+", "-", name.lower())[:_LONGEST_ID].strip("._-")
    word = word if word and word != "reconciler" else "server"
    others = {other.lower() for other in taken}
    numbered = (word if number == 1 else f"{word}-{number}" for number in range(1, len(others) + 2))
    return next(one for one in numbered if one not in others)


def _wrong(member: str, what: str) -> HttpProblem:
    return HttpProblem(400, "bad-value", f"{member[:60]} {what}")
