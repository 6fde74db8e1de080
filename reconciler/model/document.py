"""The configuration as one value: what was written, and what it means once defaults and groups are filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from reconciler.canonical import canonical, canonical_object, digest, digest_of_canonical
from reconciler.merge_patch import equal
from reconciler.model.secret import HIDDEN, BadReference, Fingerprint, masked, parse_template, secrets_in
from reconciler.model.server import Server, is_mocked, seconds, server_of

Facts: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str | int, ...]

TYPE_ALIASES = {"streamable-http": "http", "streamableHttp": "http", "streamable_http": "http", "local": "stdio"}
"""Words for a transport in the files of MCP clients (files without `version:`)."""

DEFAULT_TIMEOUTS = {"start": "30s", "list": "15s", "call": "60s"}
RECONNECT_FIELDS = ("type", "command", "args", "cwd", "env", "envFile", "url", "headers", "oauth", "azure", "mock")
SECRET_PATHS = (("env", "*"), ("headers", "*"), ("oauth", "clientSecret"), ("azure", "clientSecret"))
"""Where, inside a server, every literal counts as a secret."""
_SECRET_FIELDS = frozenset(shape[0] for shape in SECRET_PATHS)
_SHORTEST_SECRET = 7
"""No text shorter than this looks like a secret by itself (`secrets_in`)."""


_UP_TO_PATH = re.compile(r"[A-Za-z]+://[^/?#$]*(?=[/?#]|\Z)")

DEFAULT_VIA = ("page", "cli")
DEFAULT_KEEP = "8h"


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """How approvals are asked for and kept: by which ways, for how many seconds, and where an always is written."""

    via: frozenset[str] = frozenset(DEFAULT_VIA)
    keep: float = seconds(DEFAULT_KEEP)
    remember: Literal["file", "local"] = "file"


def hidden(_: str) -> str:
    """The Fingerprint of a project that has no key yet."""
    return HIDDEN


@dataclass(frozen=True)
class Document:
    """A configuration. `written` is the merged JSON value; everything else is derived from it.

    `project` is the name that holds where the document names none; `hide` is what stands for a literal secret in
    digests and masked values.
    """

    written: Mapping[str, Any] = field(default_factory=lambda: {"mcpServers": {}})
    default_project: str = "default"
    hide: Fingerprint = hidden

    def with_written(self, written: Mapping[str, Any]) -> Document:
        """The same with another `written`. What was worked out of servers that are the same objects stays known."""
        return replace(self, written=written).knowing(self)

    def knowing(self, other: Document) -> Document:
        """Itself; what the other one worked out of servers that are the same objects needs no working out here."""
        if other.hide is self.hide and equal(other.settings, self.settings):
            same = [server_id for server_id, server in self.servers.items() if other.servers.get(server_id) is server]
            for known, after in zip(other._known, self._known, strict=True):
                after.update((server_id, known[server_id]) for server_id in same if server_id in known)
        return self

    @property
    def _known(self) -> tuple[dict[str, Any], ...]:
        """Everything that was worked out of one server and the settings."""
        return self._facts, self._servers, self._launches, self._spec_digests, self._launch_digests

    @property
    def project(self) -> str:
        return self.written.get("project") or self.default_project

    @property
    def servers(self) -> Mapping[str, Any]:
        """The servers as written, by id."""
        return self.written.get("mcpServers") or {}

    @property
    def groups(self) -> Mapping[str, Any]:
        return self.written.get("groups") or {}

    @cached_property
    def settings(self) -> Facts:
        """Everything outside `mcpServers`."""
        return {key: value for key, value in self.written.items() if key != "mcpServers"}

    @cached_property
    def approvals(self) -> ApprovalSettings:
        """The effective `approvals`."""
        written = self.written.get("approvals") or {}
        return ApprovalSettings(
            frozenset(written.get("via", DEFAULT_VIA)),
            seconds(written.get("keep", DEFAULT_KEEP)),
            written.get("remember", "file"),
        )

    @cached_property
    def _facts(self) -> dict[str, Facts]:
        return {}

    @cached_property
    def _servers(self) -> dict[str, Server]:
        return {}

    @cached_property
    def _launches(self) -> dict[str, Facts]:
        return {}

    @cached_property
    def _spec_digests(self) -> dict[str, str]:
        return {}

    @cached_property
    def _launch_digests(self) -> dict[str, str | None]:
        return {}

    def facts(self, server_id: str) -> Facts:
        """The effective fields of one server, under their names in the file: defaults filled in, env as a map.

        A forwarded name has the value `{"forward": true}` in `env`. `envFile` is there when the server reads it.
        """
        if server_id not in self._facts:
            self._facts[server_id] = _effective(self, self.servers[server_id], server_id)
        return self._facts[server_id]

    def server(self, server_id: str) -> Server:
        """The typed server; raises BadReference or KeyError only for documents that validation would refuse."""
        if server_id not in self._servers:
            self._servers[server_id] = server_of(server_id, self.facts(server_id), self.spec_digest(server_id))
        return self._servers[server_id]

    def spec_digest(self, server_id: str) -> str:
        """What decides the live session: equal digests mean the session can stay. Literals enter as fingerprints."""
        if server_id not in self._spec_digests:
            facts = self.facts(server_id)
            spec = {k: facts[k] for k in RECONNECT_FIELDS if k in facts}
            self._spec_digests[server_id] = digest(masked_fields(spec, self.hide))
        return self._spec_digests[server_id]

    def launch(self, server_id: str) -> Facts:
        """What the server runs or contacts; see `launch_facts`."""
        if server_id not in self._launches:
            self._launches[server_id] = launch_facts(self.facts(server_id))
        return self._launches[server_id]

    def pinned_launch(self, server_id: str) -> Facts:
        """What the lock knows a server by: `launch`, and of a mock that of the server it stands in for."""
        facts = self.facts(server_id)
        return launch_behind(facts) if "mock" in facts else self.launch(server_id)

    def launch_digest(self, server_id: str) -> str | None:
        """What a person says yes to; None when the server launches and contacts nothing."""
        if server_id not in self._launch_digests:
            launch = self.launch(server_id)
            self._launch_digests[server_id] = digest(masked_fields(launch, self.hide)) if launch else None
        return self._launch_digests[server_id]

    def dormant_digest(self, server_id: str) -> str | None:
        """What a person would say yes to were the server enabled and no mock: what it would run or contact."""
        if "mock" not in self.facts(server_id):
            return self.launch_digest(server_id)
        launch = self.pinned_launch(server_id)
        return digest(masked_fields(launch, self.hide)) if launch else None

    def masked(self) -> dict[str, Any]:
        """`written` with every literal secret replaced by what `hide` makes of it. Not to be changed."""
        settings = masked_document(self.settings, self.hide)
        servers = {name: masked_server(name, server, self.hide) for name, server in self.servers.items()}
        return {**settings, "mcpServers": servers} if "mcpServers" in self.written else settings

    @cached_property
    def digest(self) -> str:
        """What plans and state know this document by: the digest of `masked()`."""
        settings = masked_document(self.settings, self.hide)
        members = {name: canonical(value) for name, value in settings.items()}
        if "mcpServers" in self.written:
            servers = {name: _canonical_server(name, server, self.hide) for name, server in self.servers.items()}
            members["mcpServers"] = canonical_object(servers)
        return digest_of_canonical(canonical_object(members))


def _effective(document: Document, written: Mapping[str, Any], server_id: str) -> Facts:
    top, defaults = document.written, document.written.get("defaults") or {}
    group = document.groups.get(written.get("group", ""), {})
    enabled = written.get("enabled", not written.get("disabled", False))
    facts: Facts = {
        **{key: value for key, value in written.items() if key != "disabled"},
        "name": written.get("name", server_id),
        "type": transport_word(written),
        "enabled": bool(enabled and group.get("enabled", True)),
        "requireApproval": _nearest("requireApproval", written, group, defaults, otherwise=True),
        "timeouts": DEFAULT_TIMEOUTS
        | top.get("timeouts", {})
        | defaults.get("timeouts", {})
        | written.get("timeouts", {}),
        "lock": written.get("lock", top.get("lock", "warn")),
        "strategy": written.get("strategy", "replace-first"),
        "required": written.get("required", False),
        "protect": written.get("protect", False),
        "connection": written.get("connection", "proxy"),
        "oauth": written.get("oauth", False),
    }
    if isinstance(written.get("env"), list):
        facts["env"] = {name: {"forward": True} for name in written["env"]}
    if "envFile" in top and ("env" in facts or any(r.startswith("${env:") for r in references_in(facts))):
        facts["envFile"] = top["envFile"]
    return facts


def _nearest(name: str, *levels: Mapping[str, Any], otherwise: Any) -> Any:
    return next((level[name] for level in levels if name in level), otherwise)


def transport_word(written: Mapping[str, Any]) -> str:
    """`type` as written or inferred: stdio with a command, http with a url."""
    word = written.get("type") or ("stdio" if "command" in written else "http" if "url" in written else "uplink")
    return TYPE_ALIASES.get(word, word)


def launch_behind(facts: Facts) -> Facts:
    """`launch_facts` of the server that a mock may stand in for."""
    return launch_facts({name: value for name, value in facts.items() if name != "mock"})


def launch_facts(facts: Facts) -> Facts:
    """The part of a server that runs something or sends something somewhere; empty for a mock or an uplink."""
    if is_mocked(facts) or facts["type"] == "uplink":
        return {}
    launch: Facts = {key: facts[key] for key in ("command", "args", "cwd", "env", "envFile") if key in facts}
    if "url" in facts:
        launch["origin"] = origin(facts["url"])
    if isinstance(facts.get("oauth"), dict) and "issuer" in facts["oauth"]:
        launch["issuer"] = facts["oauth"]["issuer"]
    if facts.get("azure"):
        launch["authority"] = [facts["azure"].get("authorityHost"), facts["azure"].get("tenantId")]
    launch["references"] = sorted(references_in({k: facts[k] for k in RECONNECT_FIELDS if k in facts}))
    return launch


def origin(url: str) -> str:
    """Scheme, host and port of a URL as written. A URL that is not one stands for itself, and so does one where a
    reference has a say in them: it leads elsewhere with other words beside the reference, or in it."""
    found = _UP_TO_PATH.match(url)
    if found is None:
        return url
    try:
        parts = urlsplit(found.group())
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return url


def references_in(value: Any) -> set[str]:
    """Every reference inside a JSON value, as text without its default."""
    found: set[str] = set()
    for text in strings_in(value):
        if "$" not in text:
            continue
        try:
            found |= {f"${{{ref.scheme}:{ref.name}}}" for ref in parse_template(text).references}
        except BadReference:
            continue
    return found


def strings_in(value: Any) -> Iterator[str]:
    """Every string value (never a key) inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from strings_in(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings_in(item)


def is_secret_path(path: Path) -> bool:
    """Whether `path` inside a server is a field whose literals are secrets. A list in `env` holds names, not values."""
    return bool(path and path[0] in _SECRET_FIELDS) and any(
        len(path) >= len(shape)
        and all(s == p or (s == "*" and isinstance(p, str)) for s, p in zip(shape, path, strict=False))
        for shape in SECRET_PATHS
    )


_Remembered: TypeAlias = dict[tuple[str, Fingerprint], tuple[Any, Any]]
"""Of each server what was made of it last; one that is another by now takes its place."""
_MASKED: _Remembered = {}
_CANONICAL: _Remembered = {}
_MOST_REMEMBERED = 1 << 15


def masked_server(server_id: str, server: Any, hide: Fingerprint) -> Any:
    """`masked_fields`, remembered: of many servers most are the same objects from one document to the next."""
    return _remembered(_MASKED, server_id, server, hide, lambda: masked_fields(server, hide))


def _canonical_server(server_id: str, server: Any, hide: Fingerprint) -> str:
    """The canonical JSON of a masked server."""
    make = lambda: canonical(masked_server(server_id, server, hide))  # noqa: E731
    text: str = _remembered(_CANONICAL, server_id, server, hide, make)
    return text


def _remembered(known: _Remembered, server_id: str, server: Any, hide: Fingerprint, make: Callable[[], Any]) -> Any:
    found = known.get((server_id, hide))
    if found is not None and found[0] is server:
        return found[1]
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    made = make()
    known[server_id, hide] = (server, made)
    return made


def masked_fields(server: Any, hide: Fingerprint) -> Any:
    """A server's fields (written or effective) with literal secrets hidden."""
    if not isinstance(server, Mapping):
        return _texts_masked(server, hide)
    return {
        name: _secrets_masked(name, value, hide) if name in _SECRET_FIELDS else _texts_masked(value, hide)
        for name, value in server.items()
    }


def _secrets_masked(name: str, value: Any, hide: Fingerprint) -> Any:
    """The same as walking with `is_secret_path`, without a path for each of many values."""
    if not isinstance(value, Mapping):
        return _texts_masked(value, hide)
    every = (name, "*") in SECRET_PATHS
    return {key: _texts_masked(member, hide, every or (name, key) in SECRET_PATHS) for key, member in value.items()}


def _text_masked(text: str, hide: Fingerprint, secret_field: bool) -> str:
    """Most texts hold nothing to hide, and telling so is much cheaper than taking them apart."""
    plain = not secret_field and "$" not in text
    if plain and (len(text) < _SHORTEST_SECRET or not secrets_in(text)):
        return text
    return masked(text, hide, secret_field)


def masked_text(text: str, hide: Fingerprint, path: Path) -> str:
    """The text at `path` of a document with its literal secrets hidden, as `masked_document` hides them."""
    in_server = path[2:] if path[0] == "mcpServers" else ()
    return _text_masked(text, hide, is_secret_path(in_server))


def masked_document(written: Mapping[str, Any], hide: Fingerprint) -> dict[str, Any]:
    """A whole document, or a patch of one, with literal secrets hidden."""
    return {key: _member_masked(key, value, hide) for key, value in written.items()}


def _member_masked(key: str, value: Any, hide: Fingerprint) -> Any:
    if key == "mcpServers" and isinstance(value, Mapping):
        return {server_id: masked_fields(server, hide) for server_id, server in value.items()}
    return _texts_masked(value, hide)


def _texts_masked(value: Any, hide: Fingerprint, secret_field: bool = False) -> Any:
    if isinstance(value, str):
        return _text_masked(value, hide, secret_field)
    if isinstance(value, dict):
        return {key: _texts_masked(member, hide, secret_field) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_texts_masked(item, hide, secret_field) for item in value]
    return value
