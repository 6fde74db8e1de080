"""What a body of a create or a set asks for, read strictly: a member of a wrong type is refused, null among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from reconciler.faces.http.problems import HttpProblem

Transport: TypeAlias = Literal["http", "uplink"]

_LONGEST_NAME = 255
_LONGEST_ADDRESS = 8192
_LONGEST_HEADER, _MOST_HEADERS = 16 * 1024, 100
_UNSERVED = {
    "server": "this engine has no registry: give the server's own address as `mcpUrl`",
    "source": "this engine runs no modules: give the server's address as `mcpUrl`",
    "unstableCallbackUrl": "this engine calls nobody back: leave `unstableCallbackUrl` out",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A member that was not given is None. `mock` is there only where it was switched on."""

    name: str | None = None
    url: str | None = None
    metadata: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    transport: Transport | None = None
    mock: Mapping[str, Any] | None = None


def read_asked(body: Mapping[str, Any]) -> Asked:
    """Raises HttpProblem 400. Members that nobody knows mean nothing."""
    for member, why in _UNSERVED.items():
        if member in body:
            raise HttpProblem(400, "not-served", why)
    return Asked(
        name=_name(body),
        url=_address(body),
        metadata=_metadata(body),
        headers=_headers(body),
        transport=_transport(body),
        mock=_mock(body),
    )


def _name(body: Mapping[str, Any]) -> str | None:
    name = _text(body, "name")
    if name is not None and not 1 <= len(name) <= _LONGEST_NAME:
        raise _wrong("name", f"must have 1 to {_LONGEST_NAME} characters")
    return name


def _address(body: Mapping[str, Any]) -> str | None:
    address = _text(body, "mcpUrl")
    if address is not None and not 1 <= len(address) <= _LONGEST_ADDRESS:
        raise _wrong("mcpUrl", f"must have 1 to {_LONGEST_ADDRESS} characters")
    return address


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    metadata = _object(body, "metadata")
    if metadata is not None and _holds_null(metadata):
        raise _wrong("metadata", "holds a null, which cannot be kept: leave that member out")
    return metadata


def _headers(body: Mapping[str, Any]) -> Mapping[str, str] | None:
    headers = _object(body, "headers")
    if headers is not None and not all(isinstance(value, str) for value in headers.values()):
        raise _wrong("headers", "must have texts as values")
    if headers and (len(headers) > _MOST_HEADERS or max(map(len, headers.values())) > _LONGEST_HEADER):
        raise _wrong("headers", f"may be {_MOST_HEADERS}, each with {_LONGEST_HEADER} characters")
    return headers


def _transport(body: Mapping[str, Any]) -> Transport | None:
    match _text(body, "transport"):
        case None:
            return None
        case "http":
            return "http"
        case "uplink":
            return "uplink"
        case _:
            raise _wrong("transport", "must be http or uplink")


def _mock(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    mock = _object(body, "mock")
    if mock is None:
        return None
    enabled, scenario = mock.get("enabled"), mock.get("scenario", "")
    if not isinstance(enabled, bool) or not isinstance(scenario, str):
        raise _wrong("mock", "must have `enabled`, true or false, and may have `scenario`, a text")
    return {"enabled": True, **({"scenario": scenario} if scenario else {})} if enabled else None


def _text(body: Mapping[str, Any], member: str) -> str | None:
    value = body.get(member, ...)
    if value is ... or isinstance(value, str):
        return None if value is ... else value
    raise _wrong(member, "must be a text")


def _object(body: Mapping[str, Any], member: str) -> Mapping[str, Any] | None:
    value = body.get(member, ...)
    if value is ... or isinstance(value, dict):
        return None if value is ... else value
    raise _wrong(member, "must be an object")


def _holds_null(value: Any) -> bool:
    """A configuration file cannot keep one, at any depth."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_holds_null, members))


def _wrong(member: str, why: str) -> HttpProblem:
    return HttpProblem(400, "bad-request", f"`{member}` {why}")
