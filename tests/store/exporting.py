"""Exported files for tests: sealed cheaply, taken apart, changed, and what is said of them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from reconciler.canonical import canonical
from reconciler.store import export_keys
from reconciler.store.export_file import Argon2, ExportRefused, seal, unseal

PASSPHRASE = "five gulls over the pier"
CREATED = "2026-11-21T12:00:00Z"
CHEAP = Argon2(m_kib=8192, t=1, p=1)
"""The least that is accepted; for tests alone."""
CODES = {"not-ours", "newer-version", "damaged", "wrong-passphrase", "altered"}


def sealed(payload: Any, passphrase: str = PASSPHRASE) -> bytes:
    return seal(payload, passphrase, created=CREATED, kdf=CHEAP)


def refusal(
    data: bytes, passphrase: str = PASSPHRASE, opens: Callable[[bytes, str], Any] = unseal
) -> ExportRefused | None:
    """Why it is refused; None for a file that opens. Whatever else is raised is raised."""
    try:
        opens(data, passphrase)
    except ExportRefused as refused:
        return refused
    return None


def code_of(data: bytes, passphrase: str = PASSPHRASE) -> str | None:
    refused = refusal(data, passphrase)
    return refused.code if refused else None


def changed(data: bytes, **members: Any) -> bytes:
    """With other members, and the sha256 that whoever changes them can make."""
    whole = {**json.loads(data), **members}
    head = canonical({name: value for name, value in whole.items() if name not in ("ciphertext", "sha256")})
    digest = hashlib.sha256(head.encode("utf-8", "surrogatepass") + base64.b64decode(whole["ciphertext"])).digest()
    return json.dumps({**whole, "sha256": base64.b64encode(digest).decode("ascii")}).encode("utf-8")


@contextmanager
def derived_once() -> Iterator[None]:
    """Inside, the same passphrase, costs and salt are derived from once; the keys are the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_keys, "_stretched", cache(export_keys._stretched))
        yield


@contextmanager
def derivations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """One item for each key that is derived inside; they are derived all the same."""
    seen: list[None] = []
    really = export_keys._stretched

    def counted(*arguments: Any) -> bytes:
        seen.append(None)
        return really(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(export_keys, "_stretched", counted)
        yield seen
