"""The exported file of MCP Explorer, version 1: AES-256-GCM under PBKDF2, as that product writes and reads it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.store.export_file import ExportTooLarge
from reconciler.store.export_json import LARGEST_FILE, NotStrict, envelope, strict, to_base64, unbase64
from reconciler.store.export_keys import check_passphrase
from reconciler.store.export_refused import ExportRefused, damaged, newer_version, not_ours

VERSION = 1
MEMBERS = ("version", "salt", "nonce", "data")

_SALT = 16
_NONCE = 12
_TAG = 16
_ROUNDS = 100_000


def seal(connections: Sequence[Mapping[str, Any]], passphrase: str) -> bytes:
    """The text of a file with its connections, JSON objects in that product's words.

    Raises WeakPassphrase, ExportTooLarge, and ValueError or TypeError for what is no JSON.
    """
    check_passphrase(passphrase)
    plain = json.dumps(list(connections), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    sealed = _cipher(passphrase, salt).encrypt(nonce, plain, None)
    whole = {"version": VERSION, "salt": to_base64(salt), "nonce": to_base64(nonce), "data": to_base64(sealed)}
    data = json.dumps(whole, separators=(",", ":")).encode("ascii")
    if len(data) > LARGEST_FILE:
        raise ExportTooLarge(f"the file would have more than {LARGEST_FILE // 1024 // 1024} MiB; export fewer servers")
    return data


def unseal(data: bytes, passphrase: str) -> list[dict[str, Any]]:
    """Its connections, objects in that product's words and not looked at. Raises ExportRefused.

    That format has nothing but its tag to go by: a wrong passphrase and a changed file are both `wrong-passphrase`,
    and the message says so.
    """
    salt, nonce, sealed = _taken_apart(data)
    return _connections(_opened(passphrase, salt, nonce, sealed))


def is_named_in(data: bytes) -> bool:
    """Whether bytes that may be no whole file any more have the names of its members in them."""
    return all(f'"{name}"'.encode("ascii") in data[:LARGEST_FILE] for name in MEMBERS)


def _taken_apart(data: bytes) -> tuple[bytes, bytes, bytes]:
    try:
        whole = envelope(data)
    except NotStrict as error:
        raise (damaged if is_named_in(data) else not_ours)(str(error)) from None
    if not whole.keys() >= set(MEMBERS):
        raise not_ours("it has not the members of one")
    version = whole["version"]
    if type(version) is int and version > VERSION:
        raise newer_version(version, VERSION)
    try:
        if type(version) is not int or version != VERSION:
            raise NotStrict("its version is none that there is")
        salt, nonce, sealed = unbase64(whole["salt"], _SALT), unbase64(whole["nonce"], _NONCE), unbase64(whole["data"])
        if len(sealed) < _TAG:
            raise NotStrict("nothing is sealed in it")
    except NotStrict as error:
        raise damaged(str(error)) from None
    return salt, nonce, sealed


def _opened(passphrase: str, salt: bytes, nonce: bytes, sealed: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag  # a door: as below

    try:
        plain: bytes = _cipher(passphrase, salt).decrypt(nonce, sealed, None)
    except InvalidTag:
        message = "the passphrase is not the one of this file, or the file was changed: its format cannot tell which"
        hint = "type the passphrase again, then copy the file again from where it was exported"
        raise ExportRefused("wrong-passphrase", message, hint) from None
    return plain


def _connections(plain: bytes) -> list[dict[str, Any]]:
    try:
        found = strict(plain)
    except NotStrict as error:
        raise damaged(f"of what is sealed in it: {error}") from None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise damaged("what is sealed in it is no list of connections")
    return found


def _cipher(passphrase: str, salt: bytes) -> Any:
    """That product takes a passphrase as it was typed."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # a door: only an export or import pays for it

    text = passphrase.encode("utf-8", "surrogatepass")
    return AESGCM(hashlib.pbkdf2_hmac("sha256", text, salt, _ROUNDS, 32))
