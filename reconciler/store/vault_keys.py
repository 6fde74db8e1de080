"""The keys of a vault: made, kept, fetched and dropped: in the keyring, in a file beside it, or in the environment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from reconciler.store.files import write_whole
from reconciler.store.vault_file import Holder, KeyPlace, VaultError

VARIABLE = "RECONCILER_VAULT_KEY"
"""Base64 of 32 bytes: the key of a vault whose key nothing on this machine keeps."""
NEW_VARIABLE = "RECONCILER_VAULT_NEW_KEY"
"""The one that a rotation goes to; afterwards it takes the place of the other."""

KEY_BYTES = 32
_SERVICE = "mcp-reconciler"


def key_id(key: bytes) -> str:
    """What a key is known by."""
    return hmac.new(key, b"reconciler.vault", hashlib.sha256).hexdigest()[:16]


class Keys:
    """The keys of one vault. `folder` is where its key file is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def preferred(self) -> Holder:
        """Who keeps the key of a new vault: whoever set the variable wants it used; else the keyring, else a file."""
        if os.environ.get(VARIABLE):
            return "environment"
        return "keyring" if _keyring() is not None else "file"

    def make(self, vault: str, holder: Holder, other_than: KeyPlace | None = None) -> tuple[KeyPlace, bytes]:
        """A key that is kept when this returns, another one than that of a vault to be rotated.

        The environment's is not made but taken. Raises VaultError, OSError.
        """
        if holder == "environment":
            return _given(other_than)
        key = secrets.token_bytes(KEY_BYTES)
        place = KeyPlace(holder, key_id(key))
        if holder == "keyring":
            _remember(_entry(vault, place), key)
        else:
            write_whole(self.file(vault, place), key, mode=0o600)
        return place, key

    def fetch(self, vault: str, place: KeyPlace) -> bytes:
        """The key that is kept there. Raises VaultError saying where it should be and is not."""
        match place.holder:
            case "file":
                return self._from_file(vault, place)
            case "keyring":
                return _recall(_entry(vault, place), place)
            case "environment":
                return _from_environment(place)
            case never:
                assert_never(never)

    def drop(self, vault: str, place: KeyPlace) -> bool:
        """Forget a key; whether nobody keeps it any more. The environment is not ours to change."""
        if place.holder == "file":
            with suppress(OSError):
                self.file(vault, place).unlink(missing_ok=True)
            return not self.file(vault, place).exists()
        return place.holder == "environment" or _forget(_entry(vault, place))

    def file(self, vault: str, place: KeyPlace) -> Path:
        """Where a key in a file is: each has its own, so that a rotation never overwrites the one still needed."""
        return self._folder / f"vault-{vault}-{place.id}.key"

    def _from_file(self, vault: str, place: KeyPlace) -> bytes:
        path = self.file(vault, place)
        try:
            with path.open("rb") as file:
                facts = os.fstat(file.fileno())
                key = file.read(KEY_BYTES + 1)
        except OSError as error:
            why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            raise _lost(f"the key of the vault {why}: {path}", "restore that file from a backup") from error
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (os.getuid(), 0) or facts.st_mode & 0o077:
            hint = f"`chmod 600 {path}`; if others may have read it: `reconciler secret rotate`"
            raise VaultError("vault-key", f"others can read the key of the vault: {path}", hint)
        if key_id(key) != place.id:
            raise _lost(f"{path} is not the key of this vault", "restore that file from a backup")
        return key


def _lost(message: str, hint: str) -> VaultError:
    return VaultError("vault-key", message, f"{hint}; without its key no stored secret can be opened")


# The environment


def _given(other_than: KeyPlace | None) -> tuple[KeyPlace, bytes]:
    names = (NEW_VARIABLE, VARIABLE) if other_than else (VARIABLE,)
    for name in names:
        if os.environ.get(name):
            key = _decoded(name)
            place = KeyPlace("environment", key_id(key))
            if place != other_than:
                return place, key
    raise VaultError("vault-key", f"{names[0]} holds no new key", "make one with `openssl rand -base64 32`")


def _from_environment(place: KeyPlace) -> bytes:
    names = [name for name in (VARIABLE, NEW_VARIABLE) if os.environ.get(name)]
    if not names:
        message = f"the key of the vault is in {VARIABLE}, which is not set here"
        raise _lost(message, "set it where the engine runs, and for this command")
    for name in names:
        key = _decoded(name)
        if key_id(key) == place.id:
            return key
    raise _lost(f"{VARIABLE} is not the key of this vault", "set the one that the vault was made with")


def _decoded(name: str) -> bytes:
    try:
        key = base64.b64decode(os.environ[name].strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        message = f"{name} is not the base64 of {KEY_BYTES} bytes"
        raise VaultError("vault-key", message, "make one with `openssl rand -base64 32`")
    return key


# The keyring


def _keyring() -> Any:
    """The system's keyring, when the library for it is installed and something safe stands behind it; else None."""
    try:
        import keyring.core  # a door: an optional library, and only a new vault or one with its key there needs it
    except ImportError:
        return None
    with suppress(Exception):  # whatever a backend raises, it is of no use here
        backend = keyring.core.get_keyring()
        return backend if keyring.core.recommended(backend) else None
    return None


def _entry(vault: str, place: KeyPlace) -> str:
    return f"vault {vault} {place.id}"


def _remember(entry: str, key: bytes) -> None:
    ring, text = _keyring(), base64.b64encode(key).decode("ascii")
    if ring is None:
        hint = "install mcp-reconciler[keyring] where a keyring runs, or keep the key in a file"
        raise VaultError("vault-key", "there is no system keyring here", hint)
    try:
        ring.set_password(_SERVICE, entry, text)
        kept = ring.get_password(_SERVICE, entry) == text
    except Exception as error:  # backends raise what they like, and their messages may quote what they were given
        raise _silent(error) from None
    if not kept:
        raise VaultError("vault-key", "the system's keyring did not keep the key", "keep the key in a file")


def _recall(entry: str, place: KeyPlace) -> bytes:
    ring = _keyring()
    if ring is None:
        message = "the key of the vault is in the system's keyring, and there is none here"
        raise _lost(message, "run it where the keyring is open, with mcp-reconciler[keyring] installed")
    try:
        text = ring.get_password(_SERVICE, entry) or ""
        key = base64.b64decode(text, validate=True)
    except Exception as error:
        raise _silent(error) from None
    if key_id(key) != place.id:
        message = f'the key of the vault is not in the system\'s keyring, as "{entry}" of {_SERVICE}'
        raise _lost(message, "restore that entry")
    return key


def _forget(entry: str) -> bool:
    ring = _keyring()
    if ring is None:
        return False
    with suppress(Exception):
        if ring.get_password(_SERVICE, entry) is not None:
            ring.delete_password(_SERVICE, entry)
        return True
    return False


def _silent(error: Exception) -> VaultError:
    return _lost(f"the system's keyring does not answer: {type(error).__name__}", "unlock it")
