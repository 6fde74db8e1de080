"""The keys of an exported file: which passphrases will do, and how one becomes keys, within limits."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, TypeAlias, assert_never

from reconciler.store.export_json import NotStrict, to_base64, unbase64

SALT = 16
"""Bytes."""
KEYS = 64
"""Bytes that are derived: 32 for the cipher, then 32 that tell whether the passphrase is right."""

LEAST_CHARACTERS = 12
_LEAST_STEPS = 5
"""Different distances between neighbouring characters: `123456789012` has two, twelve at random have about ten."""
_UNTYPED = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
"""Controls, halves of surrogate pairs, line ends, and what a later Unicode may normalise in another way."""


class WeakPassphrase(Exception):
    """A passphrase that does not protect a file that others may copy. `hint` is the way out."""

    code = "weak-passphrase"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.hint = f"use {LEAST_CHARACTERS} characters or more without a pattern, such as five words picked at random"


def _within(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"what it asks for to make its keys, {name}, is not within {least} and {most}")


@dataclass(frozen=True, slots=True)
class Argon2:
    """Argon2id (RFC 9106): memory in KiB, passes, lanes. Raises ValueError outside the limits."""

    m_kib: int = 64 * 1024
    t: int = 3
    p: int = 1

    def __post_init__(self) -> None:
        _within("m_kib", self.m_kib, 8 * 1024, 1024 * 1024)
        _within("t", self.t, 1, 10)
        _within("p", self.p, 1, 8)


@dataclass(frozen=True, slots=True)
class Scrypt:
    """scrypt (RFC 7914) with r 8 and p 1, for what has no Argon2: 128 * r * n bytes of memory.

    Raises ValueError for an `n` outside the limits, or no power of two.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        _within("n", self.n, 2**15, 2**20)
        _within("r", self.r, 8, 8)
        _within("p", self.p, 1, 1)
        if self.n & (self.n - 1):
            raise ValueError("what it asks for to make its keys, n, is no power of two")


Kdf: TypeAlias = Argon2 | Scrypt
STANDARD = Argon2()
"""What files are written with: 64 MiB and about a quarter of a second for each guess."""

_ALGORITHMS: dict[str, type[Argon2 | Scrypt]] = {"argon2id": Argon2, "scrypt": Scrypt}


def check_passphrase(passphrase: str) -> None:
    """Raise WeakPassphrase for one that is too short, or too regular.

    After NFKC it has at least 12 characters, neighbours in it differ by at least 5 different distances (which one
    character again and again, `123456789012` and `abcabcabcabc` do not), and it is no shorter text said twice.
    """
    text = unicodedata.normalize("NFKC", passphrase)
    if _UNTYPED.intersection(map(unicodedata.category, text)):
        raise WeakPassphrase("the passphrase holds a line end or another character that nobody can type")
    if len(text) < LEAST_CHARACTERS:
        raise WeakPassphrase(f"the passphrase has {len(text)} characters, and {LEAST_CHARACTERS} are the least")
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if len(steps) < _LEAST_STEPS or text in (text + text)[1:-1]:
        raise WeakPassphrase("the passphrase follows a simple pattern")


def derive(passphrase: str, kdf: Kdf, salt: bytes) -> tuple[bytes, bytes]:
    """The cipher's key and the one for the check, from the UTF-8 of the passphrase after NFKC.

    Raises MemoryError where this machine has less than the kdf asks for.
    """
    text = unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")
    keys = _stretched(text, kdf, salt)
    return keys[:32], keys[32:]


def _stretched(text: bytes, kdf: Kdf, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # a door: only an export or import pays for it
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt as Stretch  # the same door

    match kdf:
        case Argon2():
            argon = Argon2id(salt=salt, length=KEYS, iterations=kdf.t, lanes=kdf.p, memory_cost=kdf.m_kib)
            return argon.derive(text)
        case Scrypt():
            return Stretch(salt=salt, length=KEYS, n=kdf.n, r=kdf.r, p=kdf.p).derive(text)
        case never:
            assert_never(never)


def described(kdf: Kdf, salt: bytes) -> dict[str, Any]:
    """The member `kdf` of a header."""
    name = next(name for name, kind in _ALGORITHMS.items() if isinstance(kdf, kind))
    return {"alg": name, **asdict(kdf), "salt": to_base64(salt)}


def described_in(member: Any) -> tuple[Kdf, bytes]:
    """What the member `kdf` of a header asks for, and the salt. Nothing is derived. Raises NotStrict."""
    if not isinstance(member, dict):
        raise NotStrict("its kdf is no object")
    settings = {key: value for key, value in member.items() if key not in ("alg", "salt")}
    name = member.get("alg")
    kind = _ALGORITHMS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise NotStrict("its kdf is neither argon2id nor scrypt")
    if settings.keys() != kind.__dataclass_fields__.keys():
        raise NotStrict("its kdf has not the members of that kdf")
    try:
        kdf = kind(**settings)
    except ValueError as error:
        raise NotStrict(str(error)) from None
    return kdf, unbase64(member.get("salt"), SALT)
