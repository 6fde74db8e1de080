"""The tokens of a project on the disk: who may come in over HTTP. Kept as SHA-256, but for two that are shown again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from reconciler.store.files import write_whole
from reconciler.store.state_dir import StateDir

Role = Literal["viewer", "client", "editor", "operator"]
LocalRole = Literal["client", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What a token may be for, each role with the rights of those before it."""
LOCAL_ROLES: tuple[LocalRole, ...] = get_args(LocalRole)
"""The roles of the two tokens that are made at first start; they have the same names."""

PREFIX = "rcl_"
"""How every token begins, so that people and scanners recognise one."""
RESERVED = frozenset({"local", "owner"})
"""Names of those who come in without a token."""

_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = 1


class TokensDamaged(Exception):
    """tokens.json is not what was written: nobody comes in."""


class BadName(Exception):
    """The name cannot be given to a new token; the message says why."""


class NameTaken(BadName):
    """Another token has it."""


class NoSuchToken(Exception):
    """No token has that name."""


@dataclass(frozen=True, slots=True)
class Token:
    """One that was handed out. `sha256` is the digest of its text, 64 hex digits; `created_at` is UTC, ISO 8601, and
    so is `expires_at`, None for one that holds until it is taken back."""

    name: str
    role: Role
    sha256: str
    created_at: str
    expires_at: str | None = None

    @property
    def until(self) -> datetime | None:
        """When it ends to hold."""
        return datetime.fromisoformat(self.expires_at) if self.expires_at is not None else None

    def holds(self, now: datetime) -> bool:
        """Whether its time is not over."""
        return self.until is None or now < self.until

    def to_json(self) -> dict[str, Any]:
        end = {"expiresAt": self.expires_at} if self.expires_at is not None else {}
        return {"name": self.name, "role": self.role, "sha256": self.sha256, "createdAt": self.created_at, **end}


def token_digest(text: bytes) -> str:
    """What is kept of a token."""
    return hashlib.sha256(text).hexdigest()


def read_tokens(state: StateDir) -> tuple[Token, ...]:
    """All tokens by name; none before the first start. Raises TokensDamaged, OSError."""
    try:
        body = json.loads(state.tokens.read_bytes())
        return tuple(_token(row) for row in body["tokens"])
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        raise TokensDamaged(f"{state.tokens} cannot be read: {type(error).__name__}") from None


def _token(row: Mapping[str, Any]) -> Token:
    if row["role"] not in ROLES or not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]):
        raise ValueError
    expires: str | None = row.get("expiresAt")
    if expires is not None and datetime.fromisoformat(expires).tzinfo is None:
        raise ValueError
    return Token(str(row["name"]), row["role"], row["sha256"], str(row["createdAt"]), expires)


def ensure_tokens(state: StateDir) -> None:
    """Make the first operator and client tokens, once. Raises OSError."""
    with _alone(state):
        _ensure(state)


def _ensure(state: StateDir) -> None:
    if state.tokens.exists():
        return
    made = [(role, _new_text()) for role in LOCAL_ROLES]
    _write_local(state, dict(made))
    _write(state, [_made(role, role, text) for role, text in made])


def create_token(
    state: StateDir, role: Role, name: str | None = None, until: datetime | None = None
) -> tuple[Token, str]:
    """A new token and its text, which nothing keeps. Raises BadName, TokensDamaged, OSError."""
    text = _new_text()
    token = _made(name or f"{role}-{secrets.token_hex(3)}", role, text)
    if until is not None:
        token = replace(token, expires_at=until.astimezone(UTC).isoformat(timespec="seconds"))
    adopt_token(state, token)
    return token, text


def adopt_token(state: StateDir, token: Token) -> None:
    """Let a token in: a new one, or one that holds in another project too. Those whose time is over are forgotten.

    Raises BadName, TokensDamaged, OSError.
    """
    now = datetime.now(UTC)
    with _alone(state):
        _ensure(state)
        tokens = [known for known in read_tokens(state) if known.holds(now)]
        _check_name(token.name, tokens)
        _write(state, [*tokens, token])


def _check_name(name: str, tokens: Sequence[Token]) -> None:
    if not _NAME.fullmatch(name):
        raise BadName("a name has letters, digits, dots, dashes and underscores, and at most 64 of them")
    if name in RESERVED:
        raise BadName(f'"{name}" is the name of whoever comes in without a token')
    if any(token.name == name for token in tokens):
        raise NameTaken(f'there is a token called "{name}" already')


def revoke_token(state: StateDir, name: str) -> Token:
    """Take a token back, and forget its text where it was kept. Raises NoSuchToken, TokensDamaged, OSError."""
    with _alone(state):
        tokens = read_tokens(state)
        found = next((token for token in tokens if token.name == name), None)
        if found is None:
            raise NoSuchToken(name)
        _write(state, [token for token in tokens if token is not found])
        local = _read_local(state)
        if name in local:
            _write_local(state, {role: text for role, text in local.items() if role != name})
    return found


def local_token(state: StateDir, role: LocalRole) -> str | None:
    """The text of the token that was made for this role at first start; None once it was revoked."""
    text = _read_local(state).get(role)
    if text is None:
        return None
    kept = token_digest(text.encode())
    return text if any(token.sha256 == kept for token in read_tokens(state)) else None


def _made(name: str, role: Role, text: str) -> Token:
    return Token(name, role, token_digest(text.encode()), datetime.now(UTC).isoformat(timespec="seconds"))


def _new_text() -> str:
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def _write(state: StateDir, tokens: Sequence[Token]) -> None:
    rows = [token.to_json() for token in sorted(tokens, key=lambda token: token.name)]
    write_whole(state.tokens, json.dumps({"version": _VERSION, "tokens": rows}, indent=1), mode=0o600)


def _read_local(state: StateDir) -> dict[str, str]:
    try:
        local = json.loads(state.local_tokens.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(role): str(text) for role, text in local.items()} if isinstance(local, dict) else {}


def _write_local(state: StateDir, plain: Mapping[str, str]) -> None:
    write_whole(state.local_tokens, json.dumps(plain, indent=1), mode=0o600)


@contextmanager
def _alone(state: StateDir) -> Iterator[None]:
    """One change at a time: the file is read and written whole."""
    state.ensure()
    descriptor = os.open(state.path / "tokens.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
