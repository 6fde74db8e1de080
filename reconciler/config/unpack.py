"""Servers of a sealed file into this document: what comes, under which ids, and what of it a person has to see. Pure.

What would run a program, or hand something of this machine to an address that the file names, comes switched off.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, NamedTuple

from reconciler.canonical import digest
from reconciler.config.bring import Brought, NothingToBring, bring, in_words_of, translated
from reconciler.config.pack import references
from reconciler.config.read import Source, read
from reconciler.config.references import RESOLVED_FIELDS
from reconciler.model.document import hidden, masked_fields
from reconciler.model.secret import SECRET_NAME, SecretRef, literal, parse_template
from reconciler.problems import Problem, errors

_FILE = "payload.json"
_MEMBERS = frozenset({"servers", "groups", "secrets"})
_LONGEST_NAME = 128

Stored = Callable[[str], str | None]
"""The value of a stored secret, None where there is none."""
Has = Callable[[SecretRef], bool]
"""Whether a reference to something else than a secret has a value on this machine."""


class BadPayload(NothingToBring):
    """What was sealed are no servers; `problems` are the mistakes of those that are there."""

    code = "bad-payload"
    hint = "export it again where it comes from, by the same release as here"

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class NoSuchServer(Exception):
    """A server is to run that does not come; the message names it, `hint` those that do."""

    code = "unknown-server"

    def __init__(self, server: str, there: Collection[str]) -> None:
        super().__init__(f'no server "{server}" comes with this file')
        self.hint = f"there are: {', '.join(there) or 'none'}"


class Row(NamedTuple):
    """One server that comes. `was` is its id in the file; `does` its command line or address, secrets hidden.

    `about` says what else to know of it, `needs` what a person has to do or to see first. While it is `off`, nothing
    of it runs.
    """

    id: str
    was: str
    name: str
    does: str
    about: tuple[str, ...]
    needs: tuple[str, ...]
    is_command: bool
    off: bool

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        shown = {"id": self.id, "was": self.was, "name": self.name, "does": self.does}
        return {**shown, "about": list(self.about), "needs": list(self.needs), "off": self.off}


@dataclass(frozen=True, slots=True)
class Merged:
    """What an import would do: a merge patch, and values for the vault under names that are free there.

    `renamed` are secrets whose name holds another value here, with the name that they get.
    """

    patch: Mapping[str, Any]
    secrets: Mapping[str, str]
    brought: Brought
    renamed: Mapping[str, str]
    rows: tuple[Row, ...]

    @property
    def ready(self) -> tuple[Row, ...]:
        """Those that are there with the import."""
        return tuple(row for row in self.rows if not row.is_command and not row.needs)

    @property
    def needs_you(self) -> tuple[Row, ...]:
        """Those that a person has to do something for."""
        return tuple(row for row in self.rows if not row.is_command and row.needs)

    @property
    def commands(self) -> tuple[Row, ...]:
        """Those that run a program."""
        return tuple(row for row in self.rows if row.is_command)

    def to_json(self) -> dict[str, Any]:
        """For programs; no value of a secret is in it."""
        kinds = {"ready": self.ready, "needsYou": self.needs_you, "commands": self.commands}
        return {
            **{kind: [row.to_json() for row in rows] for kind, rows in kinds.items()},
            "renamed": [{"id": each.id, "into": each.into, "name": each.name} for each in self.brought.renamed],
            "unchanged": list(self.brought.unchanged),
            "secrets": sorted(self.secrets),
            "renamedSecrets": dict(self.renamed),
            "ignored": list(self.brought.ignored),
        }

    @property
    def digest(self) -> str:
        """Equal for imports that do the same, but for values of secrets."""
        return digest([self.patch, self.to_json()])


def check_payload(payload: Mapping[str, Any]) -> None:
    """Raise BadPayload for what `pack` did not make."""
    servers, groups, secrets = (payload.get(name, {}) for name in ("servers", "groups", "secrets"))
    if "servers" not in payload or not all(isinstance(each, dict) for each in (servers, groups, secrets)):
        raise BadPayload("what is sealed in the file are no servers")
    for name, value in secrets.items():
        if not SECRET_NAME.fullmatch(name) or not isinstance(value, str) or not value:
            raise BadPayload("the file has a secret that can be none")
    whole = {"version": 1, "groups": groups, "mcpServers": servers}
    found = errors(read([Source(_FILE, json.dumps(whole, ensure_ascii=False))], default_project="payload").problems)
    if found:
        raise BadPayload(f"the servers of the file cannot be taken: {found[0].detail}", tuple(found))


def merge(
    written: Mapping[str, Any], payload: Mapping[str, Any], *, stored: Stored, has: Has, run: Collection[str] = ()
) -> Merged:
    """What comes of `payload` (`check_payload`) where the files say `written`; nothing that is here changes.

    `run` are the ids, as they are here, of servers that a person wants on. Raises NoSuchServer.
    """
    incoming = {"version": 1, "mcpServers": payload["servers"], "groups": payload.get("groups", {})}
    brought = bring(written, incoming, apart=("enabled",))
    entries = brought.patch.get("mcpServers", {})
    for server in run:
        if server not in entries:
            raise NoSuchServer(server, entries)
    names = _Names(written, payload.get("secrets", {}), stored, brought.unchanged)
    came = {each.into: each.id for each in brought.renamed}
    patched, rows = {}, []
    for id, said in entries.items():
        entry = said if "version" in written else translated(said)
        row = _row(id, came.get(id, id), entry, _Here(stored, has, names.sent), id in run)
        switched = _switched({**entry, **_renamed(entry, names)}, off=row.off, on=id in run)
        patched[id] = in_words_of(written, switched)
        rows.append(row)
    patch = {**brought.patch, "mcpServers": patched} if entries else {}
    ignored = tuple(sorted(payload.keys() - _MEMBERS))
    whole = Brought(patch, brought.added, brought.renamed, brought.unchanged, ignored)
    return Merged(patch, names.values, whole, names.renamed, tuple(rows))


class _Names:
    """Under which names the secrets of a file are kept here. No value that is stored is ever replaced."""

    def __init__(
        self, written: Mapping[str, Any], sent: Mapping[str, str], stored: Stored, unchanged: Collection[str]
    ) -> None:
        servers = written["mcpServers"]
        self.sent = sent
        self.values: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        self._stored = stored
        self._mentioned = set(chain.from_iterable(map(_secrets, servers.values())))
        for name in sorted(set(chain.from_iterable(_secrets(servers[id]) for id in unchanged)) & sent.keys()):
            if stored(name) is None:
                self.values[name] = sent[name]

    def of(self, name: str) -> str:
        """The name that a secret of the file has here. One that servers here lack is not given to them in passing."""
        if name not in self.sent or name in self.renamed:
            return self.renamed.get(name, name)
        value = self.sent[name]
        found = next(each for each in _candidates(name) if self._is_free(each, name, value))
        if self._stored(found) is None:
            self.values[found] = value
        if found != name:
            self.renamed[name] = found
        return found

    def _is_free(self, candidate: str, name: str, value: str) -> bool:
        if candidate in self.values:
            return self.values[candidate] == value
        if candidate != name and candidate in self.sent:
            return False
        there = self._stored(candidate)
        return there == value or (there is None and candidate not in self._mentioned)


def _candidates(name: str) -> Iterator[str]:
    yield name
    endings = (f"-{number}" for number in count(2))
    yield from (name[: _LONGEST_NAME - len(ending)] + ending for ending in endings)


def _secrets(server: Mapping[str, Any]) -> set[str]:
    return {reference.name for reference in references(server) if reference.scheme == "secret"}


def _renamed(entry: Mapping[str, Any], names: _Names) -> dict[str, Any]:
    """The fields of an entry that name secrets, with the names that these have here."""
    return {field: _rewritten(entry[field], names) for field in RESOLVED_FIELDS if field in entry}


def _rewritten(value: Any, names: _Names) -> Any:
    match value:
        case dict():
            return {key: _rewritten(member, names) for key, member in value.items()}
        case list():
            return [_rewritten(item, names) for item in value]
        case str() if "${secret:" in value:
            return "".join(_part(part, names) for part in parse_template(value).parts)
        case _:
            return value


def _part(part: str | SecretRef, names: _Names) -> str:
    if isinstance(part, str):
        return literal(part)
    return str(SecretRef("secret", names.of(part.name)) if part.scheme == "secret" else part)


def _switched(entry: dict[str, Any], *, off: bool, on: bool) -> dict[str, Any]:
    if off:
        return {**entry, "enabled": False}
    return {name: value for name, value in entry.items() if name != "enabled"} if on else entry


class _Here(NamedTuple):
    """What this machine has for references, and the secrets that come with the file."""

    stored: Stored
    has: Has
    sent: Mapping[str, str]

    def lacks(self, reference: SecretRef) -> str | None:
        """What is missing, in words."""
        name = reference.name
        match reference.scheme:
            case "secret" if name not in self.sent and self.stored(name) is None:
                return f"the secret {name} is not stored here: `reconciler secret set {name}`"
            case "env" if reference.default is None and not self._is_set(reference):
                return f"{name} is not set here"
            case "file" if not self._is_set(reference):
                return f"the file {name} cannot be read here"
            case _:
                return None

    def gives(self, reference: SecretRef) -> str | None:
        """What of this machine the server would get, in words."""
        name = reference.name
        match reference.scheme:
            case "secret" if name not in self.sent and self.stored(name) is not None:
                return f"it gets the secret {name} of this machine"
            case "env" | "file" if self._is_set(reference):
                return f"it gets {name} of this machine"
            case _:
                return None

    def _is_set(self, reference: SecretRef) -> bool:
        return self.has(SecretRef(reference.scheme, reference.name))


def _row(id: str, was: str, entry: Mapping[str, Any], here: _Here, on: bool) -> Row:
    named = list(dict.fromkeys(references(entry)))
    given = [words for words in map(here.gives, named) if words]
    needs = [words for words in map(here.lacks, named) if words]
    is_command = "command" in entry
    if not is_command:
        needs += given
    if _wants_a_person(entry):
        needs.append("sign in to it: sign-ins are not part of a file")
    off = not on and (is_command or bool(given))
    return Row(id, was, entry.get("name", id), _does(entry), _about(entry), tuple(needs), is_command, off)


def _wants_a_person(entry: Mapping[str, Any]) -> bool:
    oauth = entry.get("oauth", False)
    return oauth is True or (isinstance(oauth, dict) and oauth.get("grant") != "client_credentials")


def _does(entry: Mapping[str, Any]) -> str:
    shown = masked_fields(entry, hidden)
    if "command" in entry:
        return shlex.join([shown["command"], *shown.get("args", ())])
    return str(shown.get("url", "waits until it dials in"))


def _about(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What a command line does not show, and rules that are looser than they could be."""
    rules = [entry, *entry.get("tools", {}).values()]
    found = {
        "switched off in the file": entry.get("enabled") is False,
        f"in {entry.get('cwd')}": "cwd" in entry,
        f"with {', '.join(sorted(entry.get('env', ())))} in its environment": bool(entry.get("env")),
        "tools of it run without asking anybody": any(rule.get("requireApproval") is False for rule in rules),
    }
    return tuple(words for words, holds in found.items() if holds)
