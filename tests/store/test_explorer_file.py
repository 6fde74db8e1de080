"""The exported file of MCP Explorer: opened and written as that product does it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.store import export_file
from reconciler.store.explorer_file import seal, unseal
from reconciler.store.export_file import LARGEST_FILE, ExportRefused, ExportTooLarge, WeakPassphrase
from reconciler.store.export_kinds import kind_of
from tests.requirements import requirement
from tests.store.exporting import CODES, refusal, sealed

pytestmark = requirement("PAGE-2:explorer-file")

PASSPHRASE = "P@$$w0rd!#£€%^&*()"
CONNECTIONS = [{"name": "Ünïcode", "endpoint": "https://mcp.example.com/mcp", "headers": [], "authenticationMode": 0}]
SAMPLE = seal(CONNECTIONS, PASSPHRASE)
WHOLE = json.loads(SAMPLE)


def code_of(data: bytes, passphrase: str = PASSPHRASE) -> str | None:
    refused = refusal(data, passphrase, unseal)
    return refused.code if refused else None


def of(plain: bytes) -> bytes:
    """A file with something in it that product would not write."""
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), bytes(16), 100_000, 32)
    data = AESGCM(key).encrypt(bytes(12), plain, None)
    parts = {"salt": bytes(16), "nonce": bytes(12), "data": data}
    return json.dumps(
        {"version": 1, **{name: base64.b64encode(part).decode() for name, part in parts.items()}}
    ).encode()


@pytest.mark.parametrize("connections", [[], CONNECTIONS, CONNECTIONS * 50])
def test_what_was_sealed_comes_out(connections: list[Any]) -> None:
    assert unseal(seal(connections, PASSPHRASE), PASSPHRASE) == connections


def test_the_file_has_the_members_of_that_product_and_is_never_alike() -> None:
    other = json.loads(seal(CONNECTIONS, PASSPHRASE))
    assert list(WHOLE) == ["version", "salt", "nonce", "data"] and WHOLE["version"] == 1
    assert all(WHOLE[name] != other[name] for name in ("salt", "nonce", "data"))
    assert [len(base64.b64decode(WHOLE[name])) for name in ("salt", "nonce")] == [16, 12]


def test_that_a_passphrase_is_wrong_and_that_a_file_was_changed_look_the_same_and_are_told_so() -> None:
    data = bytearray(base64.b64decode(WHOLE["data"]))
    data[5] ^= 1
    changed = json.dumps({**WHOLE, "data": base64.b64encode(data).decode()}).encode()
    refused = [refusal(SAMPLE, PASSPHRASE.lower(), unseal), refusal(changed, PASSPHRASE, unseal)]
    assert [each and each.code for each in refused] == ["wrong-passphrase"] * 2
    assert str(refused[0]) == str(refused[1]) and "or the file was changed" in str(refused[0])
    ours = refusal(sealed({}), "another passphrase", export_file.unseal)
    assert str(ours) != str(refused[0])


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"version": 2}, "newer-version"),
        ({"version": 0}, "damaged"),
        ({"version": "1"}, "damaged"),
        ({"version": True}, "damaged"),
        ({"salt": "AAAA"}, "damaged"),
        ({"nonce": None}, "damaged"),
        ({"data": "AAAA"}, "damaged"),
        ({"data": "?"}, "damaged"),
        ({"more": 1}, None),
    ],
)
def test_what_is_not_as_that_product_writes_it_is_told(members: dict[str, Any], code: str | None) -> None:
    assert code_of(json.dumps({**WHOLE, **members}).encode()) == code


@pytest.mark.parametrize(
    "plain", [b"", b"{}", b"[1]", b'[{"a":1,"a":2}]', b"[" * 65 + b"]" * 65, b"[" * 100_000, b'[{"a":"\\ud800"}]']
)
def test_what_is_sealed_and_no_list_of_connections_is_damage(plain: bytes) -> None:
    assert code_of(of(plain)) == "damaged"


def test_files_are_told_apart_also_when_they_are_cut_off() -> None:
    assert (kind_of(SAMPLE), kind_of(sealed({})), kind_of(b'{"salt": 1}')) == ("mcp-explorer", "reconciler", None)
    assert (kind_of(SAMPLE[:-9]), code_of(SAMPLE[:-9])) == ("mcp-explorer", "damaged")
    for data in (sealed({}), b"", b"[]", b'{"salt":"","nonce":"","data":""}'):
        assert code_of(data) == "not-ours"


def test_what_would_not_protect_or_not_be_read_again_is_not_written() -> None:
    with pytest.raises(WeakPassphrase):
        seal(CONNECTIONS, "short")
    with pytest.raises(ExportTooLarge):
        seal([{"note": "x" * LARGEST_FILE}], PASSPHRASE)
    for value in (float("nan"), "\ud800", b""):
        with pytest.raises((ValueError, TypeError)):
            seal([{"note": value}], PASSPHRASE)


def test_every_byte_of_a_file_counts() -> None:
    for place in range(0, len(SAMPLE), 3):
        changed = SAMPLE[:place] + (b"x" if SAMPLE[place] != ord("x") else b"y") + SAMPLE[place + 1 :]
        assert code_of(changed) in CODES, place


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_malformed_files_are_refused_and_nothing_else(data: st.DataObject) -> None:
    first, last = sorted(data.draw(st.tuples(st.integers(0, len(SAMPLE)), st.integers(0, len(SAMPLE)))))
    changed = SAMPLE[:first] + data.draw(st.binary(max_size=6)) + SAMPLE[last:]
    try:
        assert unseal(changed, PASSPHRASE) == CONNECTIONS
    except ExportRefused as refused:
        assert refused.code in CODES
