"""Our servers as connections of MCP Explorer, and what that product's format has no place for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, NamedTuple

from reconciler.config.explorer import AZURE, BEARER, CUSTOM_HEADERS, OAUTH, Remark
from reconciler.model.document import transport_word
from reconciler.model.secret import SecretRef, parse_template

_REDIRECT = "http://localhost:8090/oauth/callback"
"""Where that product waits for a browser to come back."""
_HELD = frozenset({"url", "type", "name", "description", "group", "headers", "azure", "oauth"})
_AZURE = ("tenantId", "clientId", "clientSecret", "scope")
_NO_PLACE = "MCP Explorer has no place for it"
_NOT_TO_BE_HAD = "it holds a reference whose value is not to be had here"


class Connections(NamedTuple):
    """Connections in that product's words with their secrets in them, what is not among them, and whose they are."""

    connections: list[dict[str, Any]]
    left_out: tuple[Remark, ...]
    servers: tuple[str, ...]


def from_servers(written: Mapping[str, Any], *, created: str, look_up: Callable[[SecretRef], str]) -> Connections:
    """The servers of a valid document. `created` is UTC, ISO 8601; `look_up` raises LookupError for what it has not.

    That format holds values and no references, so a text with one that cannot be looked up is left out.
    """
    connections: list[dict[str, Any]] = []
    left_out: list[Remark] = []
    servers: list[str] = []
    names: set[str] = set()
    for server_id, server in written["mcpServers"].items():
        one = _Server(server_id, server, look_up)
        connection = one.connection(written.get("groups", {}), created)
        if connection is not None:
            connection["name"] = _unique(connection["name"], names)
            connections.append(connection)
            servers.append(server_id)
        left_out += one.left_out
    return Connections(connections, tuple(left_out), tuple(servers))


def _unique(name: str, names: set[str]) -> str:
    """That product knows connections by name, in any case."""
    numbered = (f"{name} (v{version})" for version in count(2))
    found = name if name.casefold() not in names else next(each for each in numbered if each.casefold() not in names)
    names.add(found.casefold())
    return found


class _Server:
    """One server on its way."""

    def __init__(self, server_id: str, written: Mapping[str, Any], look_up: Callable[[SecretRef], str]) -> None:
        self.written = written
        self.name: str = written.get("name", server_id)
        self.left_out: list[Remark] = []
        self._look_up = look_up

    def connection(self, groups: Mapping[str, Any], created: str) -> dict[str, Any] | None:
        """None where it can be none; `left_out` says why."""
        if "url" not in self.written:
            why = "a program" if transport_word(self.written) == "stdio" else "a server without a url"
            self._leave_out(None, f"MCP Explorer cannot have {why}")
            return None
        endpoint = self._resolved(self.written["url"])
        if endpoint is None:
            self._leave_out(None, f"its url: {_NOT_TO_BE_HAD}")
            return None
        for field in sorted(self.written.keys() - _HELD):
            self._leave_out(field, _NO_PLACE)
        if transport_word(self.written) != "http":
            self._leave_out("type", _NO_PLACE)
        found: dict[str, Any] = {
            "name": self.name,
            "endpoint": endpoint,
            "authenticationMode": CUSTOM_HEADERS,
            "headers": self._headers(),
            **self._sign_in(),
            "note": self.written.get("description", ""),
        }
        if "group" in self.written:
            group = self.written["group"]
            found["groupName"] = groups.get(group, {}).get("name", group)
        return {**found, "createdAt": created}

    def _leave_out(self, field: str | None, text: str) -> None:
        self.left_out.append(Remark(self.name, field, text))

    def _resolved(self, text: str) -> str | None:
        try:
            return parse_template(text).resolve(self._look_up)
        except LookupError:
            return None

    def _value(self, field: str, text: str) -> str:
        """Empty for what is not to be had."""
        value = self._resolved(text)
        if value is None:
            self._leave_out(field, _NOT_TO_BE_HAD)
        return value or ""

    def _headers(self) -> list[dict[str, Any]]:
        headers = []
        for name, text in self.written.get("headers", {}).items():
            value = self._value(f"headers.{name}", text)
            if value and (header := self._header(name, value)):
                headers.append(header)
        return headers

    def _header(self, name: str, value: str) -> dict[str, Any] | None:
        """That product writes a scheme before what it sends as `Authorization`, by default Bearer."""
        if name.lower() != "authorization":
            return {"name": name, "value": value, "authorizationType": "", "isAuthorization": False}
        scheme, _, rest = value.partition(" ")
        if not rest.strip():
            self._leave_out(f"headers.{name}", f"MCP Explorer would write {BEARER} before it")
            return None
        return {"name": name, "value": rest.strip(), "authorizationType": scheme, "isAuthorization": True}

    def _sign_in(self) -> dict[str, Any]:
        azure, oauth = self.written.get("azure"), self.written.get("oauth")
        if azure:
            return {"authenticationMode": AZURE, "azureCredentials": self._azure(azure)}
        if isinstance(oauth, dict) and oauth.get("grant") == "client_credentials":
            self._leave_out("oauth", "MCP Explorer signs in with a person, not with client_credentials")
            return {}
        return {"authenticationMode": OAUTH, "oAuthOptions": self._oauth(oauth)} if oauth else {}

    def _azure(self, azure: Mapping[str, Any]) -> dict[str, str]:
        names = (*_AZURE, *(name for name in ("authorityHost",) if name in azure))
        for name in sorted(azure.keys() - {*_AZURE, "authorityHost"}):
            self._leave_out(f"azure.{name}", _NO_PLACE)
        return {name: self._value(f"azure.{name}", azure[name]) for name in names}

    def _oauth(self, oauth: Mapping[str, Any] | bool) -> dict[str, str]:
        settings = oauth if isinstance(oauth, dict) else {}
        if "clientId" not in settings:
            self._leave_out("oauth.clientId", "MCP Explorer may want one for its sign-in")
        for name in sorted(settings.keys() - {"clientId", "clientSecret", "scopes", "grant"}):
            self._leave_out(f"oauth.{name}", _NO_PLACE)
        held = [name for name in ("clientId", "clientSecret") if name in settings]
        values = {name: self._value(f"oauth.{name}", settings[name]) for name in held}
        scopes = (self._value("oauth.scopes", scope) for scope in settings.get("scopes", ()))
        return {"clientId": "", **values, "redirectUri": _REDIRECT, "scopes": " ".join(filter(None, scopes))}
