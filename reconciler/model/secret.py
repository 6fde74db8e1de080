"""Text that may name values kept elsewhere, and what may be shown of it. Only `sessions/` ever resolves a Template."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

Scheme = Literal["env", "file", "secret", "workspaceFolder"]
Fingerprint: TypeAlias = Callable[[str], str]
"""Text -> what stands for it in a plan: `***`, with a keyed fingerprint once a key exists."""

HIDDEN = "***"
_TEXTS_REMEMBERED = 1 << 16
"""A plan looks at each text of a configuration several times."""

_REFERENCE = re.compile(r"\$\$|\$\{(?:([^{}]*)\})?")
_BODY = re.compile(r"(?:(?P<scheme>[A-Za-z]+):(?!-))?(?P<name>[^:]+?)(?::-(?P<default>.*))?", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What people may call a stored secret."""


class BadReference(ValueError):
    """A `${...}` that names nothing we know.

    The message says why without repeating the text, which may hold a secret. `span` is where it stands in the text;
    `scheme` is the word before the colon when that is what nobody knows; `closed` tells whether a `}` is there.
    """

    def __init__(self, why: str, span: tuple[int, int], scheme: str | None = None, *, closed: bool = True) -> None:
        super().__init__(why)
        self.span, self.scheme, self.closed = span, scheme, closed


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A value kept elsewhere: `${env:NAME}`, `${file:PATH}`, `${secret:NAME}` or `${workspaceFolder}`."""

    scheme: Scheme
    name: str
    default: str | None = None

    def __str__(self) -> str:
        if self.scheme == "workspaceFolder":
            return "${workspaceFolder}"
        default = "" if self.default is None else f":-{self.default}"
        return f"${{{self.scheme}:{self.name}{default}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A string as written, cut into literal text and references."""

    parts: tuple[str | SecretRef, ...]

    @property
    def references(self) -> tuple[SecretRef, ...]:
        return tuple(part for part in self.parts if isinstance(part, SecretRef))

    def resolve(self, look_up: Callable[[SecretRef], str]) -> str:
        """The text with every reference replaced by `look_up(reference)`; whatever `look_up` raises passes through."""
        return "".join(part if isinstance(part, str) else look_up(part) for part in self.parts)


@lru_cache(_TEXTS_REMEMBERED)
def parse_template(text: str) -> Template:
    """Cut `text` at its references; `$$` is a literal `$`. Raises BadReference."""
    if "$" not in text:
        return Template((text,) if text else ())
    return Template(tuple(_joined(_parts(text))))


def literal(text: str) -> str:
    """`text` as it is written so that it is read as itself, whatever is in it."""
    return text.replace("$", "$$")


def _parts(text: str) -> Iterator[str | SecretRef]:
    end = 0
    for match in _REFERENCE.finditer(text):
        yield text[end : match.start()]
        yield "$" if match.group() == "$$" else _reference(match)
        end = match.end()
    yield text[end:]


def _joined(parts: Iterator[str | SecretRef]) -> Iterator[str | SecretRef]:
    literal = ""
    for part in parts:
        if isinstance(part, str):
            literal += part
            continue
        if literal:
            yield literal
        yield part
        literal = ""
    if literal:
        yield literal


def _reference(found: re.Match[str]) -> SecretRef:
    body, span = found[1], found.span()
    if body is None:
        raise BadReference("a `${` without its `}`", span, closed=False)
    if body == "workspaceFolder":
        return SecretRef("workspaceFolder", "")
    match = _BODY.fullmatch(body)
    if match is None:
        raise BadReference("what stands between `${` and `}` is no reference", span)
    scheme, name, default = match["scheme"] or "env", match["name"], match["default"]
    if scheme not in ("env", "file", "secret"):
        raise BadReference("the word before the colon is no kind of reference", span, scheme)
    if scheme == "env" and not _VARIABLE.fullmatch(name):
        raise BadReference("what stands between `${` and `}` is not the name of an environment variable", span)
    if scheme == "secret" and not SECRET_NAME.fullmatch(name):
        raise BadReference("what stands between `${` and `}` is not the name of a stored secret", span)
    if default is not None and scheme != "env":
        raise BadReference("only an environment variable can have a default", span)
    return SecretRef(scheme, name, default)  # type: ignore[arg-type]  # the check above narrows it


_PREFIXES = (
    r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{16,}|rcl_[A-Za-z0-9_-]{40,}"
    r"|xox[abposr]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|npm_[A-Za-z0-9]{30,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?|hf_[A-Za-z0-9]{20,}|lin_api_[A-Za-z0-9]{20,}"
)
_USERINFO = r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
_NAMED = r"(?i:(?<=token=)|(?<=api_key=)|(?<=apikey=)|(?<=secret=)|(?<=password=)|(?<=key=))[^&\s\"'${}]{8,}"
_SURELY_SECRET = re.compile(f"{_PREFIXES}|{_USERINFO}|{_NAMED}")
_LONG_WORD = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{32,}")


@lru_cache(_TEXTS_REMEMBERED)
def secrets_in(text: str) -> tuple[tuple[int, int], ...]:
    """The spans of `text` that look like literal secrets: known prefixes, URL credentials, long random words.

    Looked for apart from each other: `--token=ghp_...` is a long word that is not random, and yet holds a token.
    """
    sure = [found.span() for found in _SURELY_SECRET.finditer(text)]
    random = [found.span() for found in _LONG_WORD.finditer(text) if _is_random(found.group())]
    return tuple(_united(sorted(sure + random)) if random else sure)


def known_secrets_in(text: str) -> tuple[tuple[int, int], ...]:
    """The spans of `text` that are secrets of known kinds."""
    return tuple(found.span() for found in _SURELY_SECRET.finditer(text))


def known_secrets_hidden(text: str) -> str:
    """`text` without secrets of known kinds. An id that nobody could guess is none of them, and stays."""
    return _SURELY_SECRET.sub(HIDDEN, text)


def _united(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans, those that overlap as one."""
    united: list[tuple[int, int]] = []
    for start, end in spans:
        if united and start < united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _is_random(word: str) -> bool:
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return kinds >= 2 and "/" not in word and len(set(word)) >= 12 and _digits_spread(word)


def _digits_spread(word: str) -> bool:
    """Random words change between letters and digits often; names with a version number do not."""
    return len(re.findall(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])", word)) >= 4


_TELLING = re.compile(
    r"(?i)(?:token|secret|password|passwd|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|cookie)$"
    r"|^(?:proxy-)?authorization$"
)


def tells_secret(name: str) -> bool:
    """Whether the name of a variable, header or field says that its value is a secret."""
    return _TELLING.search(name) is not None


@lru_cache(_TEXTS_REMEMBERED)
def masked(text: str, hide: Fingerprint, secret_field: bool) -> str:
    """`text` with its literal secrets hidden: the whole literal in a secret field, else what looks like one.

    References stay as written. A text in a secret field that is part reference keeps only its harmless literals.
    """
    try:
        template = parse_template(text)
    except BadReference:
        return hide(text) if secret_field else _spans_hidden(text, hide)
    if template.references:
        return "".join(_part_masked(part, hide, secret_field) for part in template.parts)
    if secret_field:
        return hide(text) if text else text
    return _spans_hidden(text, hide)


def _part_masked(part: str | SecretRef, hide: Fingerprint, secret_field: bool) -> str:
    if isinstance(part, str):
        return literal(_spans_hidden(part, hide))
    if part.default and (secret_field or secrets_in(part.default)):
        return str(SecretRef(part.scheme, part.name, hide(part.default)))
    return str(part)


def _spans_hidden(text: str, hide: Fingerprint) -> str:
    for start, end in reversed(secrets_in(text)):
        text = text[:start] + hide(text[start:end]) + text[end:]
    return text
