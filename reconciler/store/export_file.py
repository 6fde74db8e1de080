"""The exported file: servers sealed under a passphrase, AES-256-GCM with Argon2id. `docs/export.md` is its format."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.canonical import canonical
from reconciler.store.export_json import (
    LARGEST_FILE,
    NotStrict,
    envelope,
    strict,
    to_base64,
    unbase64,
)
from reconciler.store.export_keys import (
    SALT,
    STANDARD,
    Argon2,
    Kdf,
    Scrypt,
    WeakPassphrase,
    check_passphrase,
    derive,
    described,
    described_in,
)
from reconciler.store.export_refused import (
    ExportRefused,
    altered,
    damaged,
    newer_version,
    not_ours,
    wrong_passphrase,
)

__all__ = [
    "FORMAT",
    "LARGEST_FILE",
    "STANDARD",
    "Argon2",
    "ExportRefused",
    "ExportTooLarge",
    "Scrypt",
    "WeakPassphrase",
    "check_passphrase",
    "seal",
    "unseal",
]

FORMAT = "mcp-reconciler-export"
VERSION = 1
CIPHER = "AES-256-GCM"

_NONCE = 12
_TAG = 16
_CHECK = 16
_CHECKED = b"mcp-reconciler-export 1 check"
_OUTSIDE = frozenset({"ciphertext", "sha256"})
"""The members that are not authenticated: what the tag is about, and what tells a damaged file from an altered one."""


class ExportTooLarge(Exception):
    """More than a file may hold; the message says so, `hint` is the way out."""

    code = "too-large"
    hint = "`reconciler export --names A,B` takes some of them"


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A whole file, taken apart; nothing was derived for it."""

    kdf: Kdf
    salt: bytes
    nonce: bytes
    check: bytes
    header: bytes
    """Canonical JSON of every member that is authenticated."""
    ciphertext: bytes


def seal(payload: Mapping[str, Any], passphrase: str, *, created: str, kdf: Kdf = STANDARD) -> bytes:
    """The text of a file with `payload`, a JSON object, in it. `created` is UTC, ISO 8601, and stays readable.

    Salt and nonce are new each time. Raises WeakPassphrase, ExportTooLarge, and ValueError or TypeError for what is
    no JSON value that can be read again (more than 64 levels, NaN, half of a surrogate pair).
    """
    check_passphrase(passphrase)
    plain = _plain(payload)
    salt, nonce = secrets.token_bytes(SALT), secrets.token_bytes(_NONCE)
    cipher_key, check_key = derive(passphrase, kdf, salt)
    head = {
        "format": FORMAT,
        "version": VERSION,
        "created": created,
        "cipher": CIPHER,
        "kdf": described(kdf, salt),
        "nonce": to_base64(nonce),
        "check": to_base64(_check_of(check_key)),
    }
    header = _authenticated(head)
    ciphertext = _cipher(cipher_key).encrypt(nonce, plain, header)
    whole = {**head, "sha256": to_base64(_digest(header, ciphertext)), "ciphertext": to_base64(ciphertext)}
    data = json.dumps(whole, separators=(",", ":")).encode("ascii")
    if len(data) > LARGEST_FILE:
        raise ExportTooLarge(f"the file would have more than {LARGEST_FILE // 1024 // 1024} MiB; export fewer servers")
    return data


def unseal(data: bytes, passphrase: str) -> dict[str, Any]:
    """What was sealed. Raises ExportRefused with one of its five codes, and MemoryError as `derive` does.

    What can be told without the passphrase is told before anything is derived.
    """
    sealed = _taken_apart(data)
    cipher_key, check_key = derive(passphrase, sealed.kdf, sealed.salt)
    if not hmac.compare_digest(sealed.check, _check_of(check_key)):
        raise wrong_passphrase()
    return _payload(_opened(sealed, cipher_key))


def _taken_apart(data: bytes) -> _Sealed:
    whole = _whole(data)
    if whole.get("format") != FORMAT:
        raise not_ours(f'its "format" is not {FORMAT}')
    version = whole.get("version")
    if type(version) is int and version > VERSION:
        raise newer_version(version, VERSION)
    try:
        sealed = _parts(whole)
        digest = unbase64(whole.get("sha256"), hashlib.sha256().digest_size)
    except NotStrict as error:
        raise damaged(str(error)) from None
    if digest != _digest(sealed.header, sealed.ciphertext):
        raise damaged("it is not as it was written")
    return sealed


def _whole(data: bytes) -> dict[str, Any]:
    try:
        return envelope(data)
    except NotStrict as error:
        raise (damaged if is_named_in(data) else not_ours)(str(error)) from None


def is_named_in(data: bytes) -> bool:
    """Whether bytes that may be no whole file any more have the name of our format in them."""
    return f'"{FORMAT}"'.encode("ascii") in data[:LARGEST_FILE]


def _parts(whole: Mapping[str, Any]) -> _Sealed:
    """Raises NotStrict."""
    version = whole.get("version")
    if type(version) is not int or version != VERSION:
        raise NotStrict("its version is none that there is")
    if whole.get("cipher") != CIPHER or not isinstance(whole.get("created"), str):
        raise NotStrict("its cipher or its time is none that there is")
    kdf, salt = described_in(whole.get("kdf"))
    ciphertext = unbase64(whole.get("ciphertext"))
    if len(ciphertext) < _TAG:
        raise NotStrict("nothing is sealed in it")
    nonce, check = unbase64(whole.get("nonce"), _NONCE), unbase64(whole.get("check"), _CHECK)
    return _Sealed(kdf, salt, nonce, check, _authenticated(whole), ciphertext)


def _authenticated(whole: Mapping[str, Any]) -> bytes:
    """Raises NotStrict for a number that has no canonical form."""
    try:
        return canonical({key: value for key, value in whole.items() if key not in _OUTSIDE}).encode("utf-8")
    except ValueError:
        raise NotStrict("a number in its header is too large") from None


def _opened(sealed: _Sealed, key: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag  # a door: as below

    try:
        plain: bytes = _cipher(key).decrypt(sealed.nonce, sealed.ciphertext, sealed.header)
    except InvalidTag:
        raise altered() from None
    return plain


def _payload(plain: bytes) -> dict[str, Any]:
    """Whoever sealed it knows the passphrase, and may still be a stranger."""
    try:
        payload = strict(plain)
    except NotStrict as error:
        raise damaged(f"of what is sealed in it: {error}") from None
    if not isinstance(payload, dict):
        raise damaged("what is sealed in it is no object")
    return payload


def _plain(payload: Mapping[str, Any]) -> bytes:
    plain = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    try:
        strict(plain)
    except NotStrict as error:
        raise ValueError(f"this cannot be read again: {error}") from None
    return plain


def _check_of(key: bytes) -> bytes:
    return hmac.digest(key, _CHECKED, "sha256")[:_CHECK]


def _digest(header: bytes, ciphertext: bytes) -> bytes:
    return hashlib.sha256(header + ciphertext).digest()


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # a door: only an export or import pays for it

    return AESGCM(key)
