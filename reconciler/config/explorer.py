"""The connections of MCP Explorer as our servers. `explorer_back` goes the other way. Pure.

Its connections are objects with `name`, `endpoint`, `authenticationMode`, `headers`, `azureCredentials`,
`oAuthOptions`, `note` and `groupName` (garrardkitchen/mcp-explorer-vue). An older page of it also had `transport`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.config.ids import id_of
from reconciler.config.read import Source, read
from reconciler.config.rules_names import UNSEEN
from reconciler.model.secret import SecretRef, literal
from reconciler.problems import Problem, errors

CUSTOM_HEADERS, AZURE, OAUTH = range(3)
"""How a connection signs in: the values of `authenticationMode`."""
BEARER = "Bearer"

_MODES = {"customheaders": CUSTOM_HEADERS, "azureclientcredentials": AZURE, "oauth": OAUTH}
_SETTINGS = {CUSTOM_HEADERS: "", AZURE: "azureCredentials", OAUTH: "oAuthOptions"}
_TRANSPORTS = {"": "http", "http": "http", "streamable-http": "http", "streamablehttp": "http"}
_TRANSPORTS |= {"sse": "sse", "stdio": "stdio"}
_DATES = {"createdAt", "lastUpdatedAt", "lastUsedAt"}
"""They tell of the record on another machine, not of the server."""
_COMMON = {"name", "endpoint", "transport", "authenticationMode", "note", "groupName"} | _DATES
_LONGEST_NAME = 255
_LONGEST_NOTE = 65_536
_LONGEST_SECRET_PART = 50


class Remark(NamedTuple):
    """What did not come over as it was. `name` is the connection's or the server's; `field` None: all of it."""

    name: str
    field: str | None
    text: str


class Servers(NamedTuple):
    """Servers and groups by id, as our file has them."""

    servers: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    remarks: tuple[Remark, ...]


class _LeftOut(Exception):
    """A connection that cannot be a server here; the message says why."""


def to_servers(connections: Sequence[Any]) -> Servers:
    """Every server is one that our rules allow, its texts literals; a connection that can be none has a remark.

    A secret that is in a Key Vault becomes `${secret:mcp-explorer.VAULT.NAME}`, which somebody has to set.
    """
    servers: dict[str, dict[str, Any]] = {}
    groups: dict[str, dict[str, Any]] = {}
    remarks: list[Remark] = []
    for index, given in enumerate(connections, 1):
        one = _Connection(given if isinstance(given, dict) else {}, index)
        server_id = id_of(one.name, servers)
        try:
            entry = one.server(server_id)
        except _LeftOut as why:
            remarks.append(Remark(one.name, None, str(why)))
            continue
        if group := _seen(_text(given, "groupName")):
            entry["group"] = _joined(group, groups)
        servers[server_id] = entry
        remarks += one.remarks
    return Servers(servers, groups, tuple(remarks))


def _joined(name: str, groups: dict[str, dict[str, Any]]) -> str:
    """The id of a group; in that product case makes no difference to a name."""
    known = (id for id, group in groups.items() if group["name"].casefold() == name.casefold())
    found = next(known, None) or id_of(name, groups)
    groups.setdefault(found, {"name": name})
    return found


class _Connection:
    """One connection on its way."""

    def __init__(self, given: Mapping[str, Any], index: int) -> None:
        self.given = given
        self.name = _seen(_text(given, "name")) or f"Connection {index}"
        self.remarks: list[Remark] = []

    def server(self, server_id: str) -> dict[str, Any]:
        """Its entry, but for the group. Raises _LeftOut."""
        entry = {**self._reached(), "name": self.name}
        if note := _text(self.given, "note"):
            entry["description"] = note[:_LONGEST_NOTE]
        used = set(_COMMON)
        if "url" in entry:
            used |= self._sign_in(entry)
        self._tell_of_the_rest(self.given, used, "")
        return self._allowed(server_id, entry)

    def _remark(self, field: str, text: str) -> None:
        self.remarks.append(Remark(self.name, _seen(field), text))

    def _reached(self) -> dict[str, Any]:
        endpoint, word = _text(self.given, "endpoint"), _text(self.given, "transport").lower()
        if not endpoint:
            raise _LeftOut("it has no endpoint")
        match _TRANSPORTS.get(word):
            case "http":
                return {"url": literal(endpoint)}
            case "sse":
                return {"url": literal(endpoint), "type": "sse"}
            case "stdio":
                return _command(endpoint)
            case _:
                raise _LeftOut("its transport is none that is known here")

    def _sign_in(self, entry: dict[str, Any]) -> set[str]:
        """Put in what goes to the server with each request; which members of the connection say so."""
        mode = self._mode()
        if headers := self._headers():
            entry["headers"] = headers
        settings = self.given.get(_SETTINGS[mode])
        if mode == AZURE:
            entry["azure"] = self._azure(settings if isinstance(settings, dict) else {})
        elif mode == OAUTH:
            entry["oauth"] = self._oauth(settings if isinstance(settings, dict) else {})
        return {"headers", _SETTINGS[mode]}

    def _mode(self) -> int:
        mode = self.given.get("authenticationMode") or CUSTOM_HEADERS
        found = _MODES.get(mode.lower()) if isinstance(mode, str) else mode
        if type(found) is not int or found not in _SETTINGS:
            raise _LeftOut("its way to sign in is none that is known here")
        return found

    def _headers(self) -> dict[str, str]:
        """That product sends no header without a name or a value, and `Authorization` with a scheme before it."""
        given = self.given.get("headers")
        headers: dict[str, str] = {}
        for each in given if isinstance(given, list) else ():
            name, value = _text(each, "name"), _text(each, "value")
            if not name or not value:
                continue
            if name.lower() in map(str.lower, headers):
                self._remark(f"headers.{name}", "stands there twice; the first one was taken")
                continue
            if name.lower() == "authorization":
                value = f"{_text(each, 'authorizationType') or BEARER} {value}"
            headers[name] = literal(value)
        return headers

    def _azure(self, given: Mapping[str, Any]) -> dict[str, str]:
        names = ("tenantId", "clientId", "clientSecret", "scope", "authorityHost")
        azure = self._settings("azureCredentials", given, names)
        if lacking := [name for name in names[:-1] if name not in azure]:
            raise _LeftOut(f"its azureCredentials lack {' and '.join(lacking)}")
        return azure

    def _oauth(self, given: Mapping[str, Any]) -> dict[str, Any] | bool:
        oauth: dict[str, Any] = self._settings("oAuthOptions", given, ("clientId", "clientSecret"), ["redirectUri"])
        if scopes := _text(given, "scopes"):
            oauth["scopes"] = re.split(r"[\s,;]+", literal(scopes).strip(" ,;"))
        if "clientId" in oauth:
            self._remark("oAuthOptions.redirectUri", "allow the address of the sign-in here for that client, too")
        return oauth or True

    def _settings(
        self, member: str, given: Mapping[str, Any], names: Sequence[str], silent: Collection[str] = ()
    ) -> dict[str, str]:
        taken = {name: literal(text) for name in names if (text := _text(given, name))}
        vault = given.get("keyVaultSecretRef")
        if "clientSecret" not in taken and _text(vault, "secretName"):
            taken["clientSecret"] = self._elsewhere(vault)
        self._tell_of_the_rest(given, {*names, *silent, "scopes", "keyVaultSecretRef"}, f"{member}.")
        return taken

    def _elsewhere(self, vault: Any) -> str:
        """A reference under a name that no secret of a server here has, so that it never leads to one of those."""
        parts = [_text(vault, "vaultName"), _text(vault, "secretName")]
        plain = [re.sub(r"[^A-Za-z0-9._-]", "_", part)[:_LONGEST_SECRET_PART] for part in parts]
        name = ".".join(["mcp-explorer", *plain])
        way_out = f"store it with `reconciler secret set {name}`"
        self._remark("keyVaultSecretRef", f"the client secret is in a Key Vault; {way_out}")
        return str(SecretRef("secret", name))

    def _tell_of_the_rest(self, given: Mapping[str, Any], used: set[str], owner: str) -> None:
        for name in sorted(name for name, value in given.items() if name not in used and value not in (None, "", [])):
            self._remark(f"{owner}{name}", "has no place here and was left out")

    def _allowed(self, server_id: str, entry: dict[str, Any]) -> dict[str, Any]:
        """The entry without the headers that our rules refuse. Raises _LeftOut when they refuse more than that."""
        for problem in _errors(server_id, entry):
            match problem.path:
                case (_, _, "headers", str(name), *_):
                    entry["headers"].pop(name, None)  # one may be refused twice
                    self._remark(f"headers.{name}", problem.detail)
                case _:
                    raise _LeftOut(problem.detail)
        return {field: value for field, value in entry.items() if value != {}}


def _errors(server_id: str, entry: Mapping[str, Any]) -> Sequence[Problem]:
    text = json.dumps({"version": 1, "mcpServers": {server_id: entry}}, ensure_ascii=False)
    return errors(read([Source("import.json", text)], default_project="import").problems)


def _command(line: str) -> dict[str, Any]:
    """A command line in one text, as the older page had it."""
    try:
        command, *args = map(literal, shlex.split(line))
    except ValueError:
        raise _LeftOut("a quote in its command has no end") from None
    return {"command": command, "args": args} if args else {"command": command}


def _text(given: Any, name: str) -> str:
    """A member that is text, without the spaces around it; empty where there is none."""
    value = given.get(name) if isinstance(given, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _seen(text: str) -> str:
    """A name for people, without what nobody sees."""
    return UNSEEN.sub("", text)[:_LONGEST_NAME].strip()
