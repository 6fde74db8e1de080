"""Servers for another place: what of a document travels in a sealed file. `unpack` is the way in. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.config.bring import translated
from reconciler.config.explorer import Remark
from reconciler.config.read import Source, read
from reconciler.config.references import RESOLVED_FIELDS
from reconciler.config.validate import without
from reconciler.config.words import did_you_mean, nearest
from reconciler.model.document import strings_in
from reconciler.model.secret import BadReference, SecretRef, parse_template
from reconciler.problems import Problem, errors

_OF_A_SERVER = 2
"""Steps of a path that lead to a server or a group; the next one is a field of it."""


class NothingToPack(Exception):
    """There is no such server, or none at all; the message says which, `hint` is the way out."""

    code = "nothing-to-export"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Packed(NamedTuple):
    """`payload` is `{"servers", "groups", "secrets"}`; `missing` are secrets that they name and nobody stored.

    `left_out` are fields of another client's file that mean nothing here.
    """

    payload: dict[str, Any]
    missing: tuple[str, ...]
    left_out: tuple[Remark, ...] = ()


def chosen(written: Mapping[str, Any], ids: Collection[str] | None) -> dict[str, Any]:
    """A valid document with these of its servers alone, all for None. Raises NothingToPack."""
    servers = written["mcpServers"]
    wanted = servers if ids is None else ids
    for id in wanted:
        if id not in servers:
            hint = did_you_mean(nearest(id, servers)) or "`reconciler status` shows the ids"
            raise NothingToPack(f'there is no server "{id}"', hint)
    if not wanted:
        raise NothingToPack("there is no server to export", "name one at least")
    return {**written, "mcpServers": {id: server for id, server in servers.items() if id in wanted}}


def pack(written: Mapping[str, Any], stored: Callable[[str], str | None]) -> Packed:
    """The servers of a valid document, the groups they are in, and the values of the secrets they name.

    `stored` answers a value, None for a name that nobody stored. Everything else that is kept elsewhere stays a
    reference, and no sign-in is part of it.
    """
    written, left_out = (written, []) if "version" in written else _in_our_words(written)
    servers = written["mcpServers"]
    joined = {server.get("group") for server in servers.values()}
    names = sorted({ref.name for server in servers.values() for ref in references(server) if ref.scheme == "secret"})
    values = {name: stored(name) for name in names}
    payload = {
        "servers": dict(servers),
        "groups": {id: group for id, group in written.get("groups", {}).items() if id in joined},
        "secrets": {name: value for name, value in values.items() if value is not None},
    }
    return Packed(payload, tuple(name for name in names if values[name] is None), tuple(left_out))


def _in_our_words(written: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Remark]]:
    """A document of another client as one with `version: 1`, as which every reader takes what is in a sealed file."""
    servers = {id: translated(server) for id, server in written["mcpServers"].items()}
    whole: dict[str, Any] = {"version": 1, "groups": written.get("groups", {}), "mcpServers": servers}
    left_out: list[Remark] = []
    while refused := [problem for problem in _refused(whole) if len(problem.path or ()) > _OF_A_SERVER]:
        paths = dict.fromkeys((problem.path or ())[: _OF_A_SERVER + 1] for problem in refused)
        left_out += [Remark(str(id), str(field), "means nothing here") for _, id, field in paths]
        whole = without(whole, paths)
    return whole, left_out


def _refused(whole: Mapping[str, Any]) -> list[Problem]:
    text = json.dumps(whole, ensure_ascii=False)
    return errors(read([Source("export.json", text)], default_project="export").problems)


def references(server: Mapping[str, Any]) -> Iterator[SecretRef]:
    """What a written server reads from elsewhere, also the names that its `env` hands on."""
    env = server.get("env")
    if isinstance(env, list):
        yield from (SecretRef("env", name) for name in env if isinstance(name, str))
    for field in RESOLVED_FIELDS:
        if field == "env" and isinstance(env, list):
            continue
        for text in strings_in(server.get(field)):
            try:
                yield from parse_template(text).references
            except BadReference:
                continue
