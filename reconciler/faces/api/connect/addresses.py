"""The address of a server: as the file has it, as it may be shown, and what a client's spelling of it means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias
from urllib.parse import unquote_plus

from reconciler.model.document import hidden
from reconciler.model.secret import SecretRef, literal, masked, parse_template, secrets_in

LookUp: TypeAlias = Callable[[SecretRef], str]
PutAway: TypeAlias = Callable[[str, str], str]
"""Name and value of a parameter -> the reference that stands for the value from now on."""

_TOKEN = re.compile(r"\$\{[^{}]*\}|[?&#]|[^$?&#]+|\$")


def shown(written: str) -> str:
    """What may be seen: references as they are, literal secrets hidden."""
    text = masked(written, hidden, False)
    return text if parse_template(written).references else text.replace("$$", "$")


def is_same(written: str, given: str, look_up: LookUp) -> bool:
    """Whether a client gave the address back: as the file has it, as it was shown, or as it is once its secrets are
    looked up. `look_up` raises LookupError for what cannot be told."""
    if given in (written, shown(written)):
        return True
    try:
        return parse_template(written).resolve(look_up) == given
    except LookupError:
        return False


def is_same_place(written: str, given: str) -> bool:
    """Whether the addresses differ in nothing but what stands behind the `?`."""
    return shown(_cut(written)[0]) == _cut(given)[0]


def without_secrets(given: str, put_away: PutAway) -> str:
    """A new address for the file: what looks like a secret in its query is put away."""
    base, query = _cut(given)
    return _joined(literal(base), [_kept(one, put_away) if secrets_in(one) else literal(one) for one in query])


def with_query_of(written: str, given: str, put_away: PutAway) -> str:
    """`written` with the query that a client gave. What it gave back as it was shown stays as the file has it, and
    everything else is put away: it fills what was wanted as a secret."""
    base, parameters = _cut(written)
    known = {_read(shown(parameter)): parameter for parameter in parameters}
    return _joined(base, [known.get(_read(one)) or _kept(one, put_away) for one in _cut(given)[1]])


def query_references(written: str) -> Iterator[tuple[str, tuple[SecretRef, ...]]]:
    """Name and references of every parameter of the query."""
    for parameter in _cut(written)[1]:
        yield _read(parameter)[0], parse_template(parameter).references


def _kept(parameter: str, put_away: PutAway) -> str:
    """A parameter with a reference in place of its value, as a URL has it."""
    name, _, value = parameter.partition("=")
    return f"{literal(name)}={put_away(_read(parameter)[0], value)}" if value else literal(parameter)


def _joined(base: str, query: Sequence[str]) -> str:
    return f"{base}?{'&'.join(query)}" if query else base


def _cut(address: str) -> tuple[str, list[str]]:
    """What stands before the query, and each parameter of it. A reference is never cut, a fragment is dropped."""
    base, query, in_query = "", [""], False
    for token in _TOKEN.findall(address):
        if token == "#":
            break
        if token == "?" and not in_query:
            in_query = True
        elif token == "&" and in_query:
            query.append("")
        elif in_query:
            query[-1] += token
        else:
            base += token
    return base, [parameter for parameter in query if parameter]


def _read(parameter: str) -> tuple[str, str]:
    """Name and value as a server reads them."""
    name, _, value = parameter.partition("=")
    return unquote_plus(name), unquote_plus(value)
