"""The exported file: what goes in comes out, under its passphrase, and every refusal says which it is."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.store import export_file
from reconciler.store.export_file import (
    STANDARD,
    Argon2,
    ExportTooLarge,
    Scrypt,
    WeakPassphrase,
    check_passphrase,
    seal,
    unseal,
)
from reconciler.store.export_kinds import kind_of
from tests.canary import CANARY, encodings_in
from tests.requirements import requirement
from tests.store.exporting import CODES, CREATED, PASSPHRASE, changed, code_of, derived_once, refusal, sealed

pytestmark = pytest.mark.long

texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
payloads = st.dictionaries(texts, values, max_size=5)


@requirement("PAGE-2:sealed")
@settings(max_examples=2000, deadline=None)
@given(payloads)
def test_what_was_sealed_comes_out(payload: dict[str, Any]) -> None:
    with derived_once():
        assert unseal(sealed(payload), PASSPHRASE) == payload


@requirement("PAGE-2:sealed")
@pytest.mark.parametrize("kdf", [STANDARD, Argon2(m_kib=8192, t=2, p=8), Scrypt(), Scrypt(n=2**15)])
def test_every_kdf_opens_again_and_is_named_in_the_file(kdf: Argon2 | Scrypt) -> None:
    data = seal({"a": 1}, PASSPHRASE, created=CREATED, kdf=kdf)
    assert unseal(data, PASSPHRASE) == {"a": 1}
    assert json.loads(data)["kdf"]["alg"] == ("scrypt" if isinstance(kdf, Scrypt) else "argon2id")


@requirement("PAGE-2:sealed")
def test_a_file_is_written_with_64_mib_of_argon2id_and_never_alike() -> None:
    one, two = (json.loads(seal({}, PASSPHRASE, created=CREATED)) for _ in range(2))
    assert {**one["kdf"], "salt": ""} == {"alg": "argon2id", "m_kib": 65536, "t": 3, "p": 1, "salt": ""}
    assert list(one) == ["format", "version", "created", "cipher", "kdf", "nonce", "check", "sha256", "ciphertext"]
    assert (one["format"], one["version"], one["created"]) == ("mcp-reconciler-export", 1, CREATED)
    for name in ("nonce", "check", "sha256", "ciphertext"):
        assert one[name] != two[name]
    assert one["kdf"]["salt"] != two["kdf"]["salt"]


@requirement("PAGE-2:sealed")
def test_nothing_of_what_is_sealed_can_be_read_in_the_file() -> None:
    assert encodings_in(sealed({"servers": {"a": {"headers": {"X-Key": CANARY}}}}).decode("ascii")) == []


@requirement("PAGE-2:sealed")
def test_a_passphrase_is_the_same_however_its_letters_are_composed() -> None:
    typed = "Crème brûlée ﬁne １２３"
    data = sealed({"a": 1}, typed)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert unseal(data, unicodedata.normalize(form, typed)) == {"a": 1}  # type: ignore[arg-type]
    assert code_of(data, typed.lower()) == "wrong-passphrase"


@requirement("PAGE-2:sealed")
@pytest.mark.parametrize(
    ("passphrase", "why"),
    [
        ("", "0 characters"),
        ("eleven char", "11 characters"),
        ("\u0065\u0301" * 6 + "abcde", "11 characters"),  # 17 as they were typed
        ("a" * 40, "pattern"),
        (" " * 12, "pattern"),
        ("abcabcabcabc", "pattern"),
        ("123456789012", "pattern"),
        ("abcdefghijklmnop", "pattern"),
        ("hunter2hunter2", "pattern"),
        ("five gulls over\nthe pier", "nobody can type"),
        ("five gulls over \ud800 pier", "nobody can type"),
        ("five gulls over \u0378 pier", "nobody can type"),  # no character has that number yet
    ],
)
def test_a_weak_passphrase_seals_nothing(passphrase: str, why: str) -> None:
    with pytest.raises(WeakPassphrase, match=why) as refused:
        sealed({}, passphrase)
    assert "12 characters or more" in refused.value.hint
    assert len(passphrase) < 5 or passphrase not in str(refused.value)


@pytest.mark.parametrize(
    "passphrase", ["correct horse", "Tr0ub4dor&3xyz", "密码是一个很长的句子好不好", "می‌خواهم به خانه بروم", PASSPHRASE]
)
def test_a_passphrase_without_a_pattern_will_do(passphrase: str) -> None:
    check_passphrase(passphrase)


@requirement("PAGE-2:refusals")
def test_each_refusal_has_its_own_message_and_way_out() -> None:
    data = sealed({"a": CANARY})
    whole = json.loads(data)
    other = json.loads(sealed({"a": "other"}))["ciphertext"]
    refused = [
        refusal(changed(data, format="reconciler.vault")),
        refusal(changed(data, version=2)),
        refusal(json.dumps({**whole, "ciphertext": other}).encode()),
        refusal(data, "six gulls over the pier"),
        refusal(changed(data, ciphertext=other)),
    ]
    found = [each for each in refused if each is not None]
    assert [each.code for each in found] == ["not-ours", "newer-version", "damaged", "wrong-passphrase", "altered"]
    assert len({str(each) for each in found}) == len({each.hint for each in found}) == 5 == len(CODES)


@requirement("PAGE-2:refusals")
@pytest.mark.parametrize("version", [0, -1, True, "1", None, 1.0, [1]])
def test_a_version_that_there_never_was_is_damage(version: Any) -> None:
    assert code_of(changed(sealed({}), version=version)) == "damaged"


@requirement("PAGE-2:refusals")
@pytest.mark.parametrize("version", [2, 3, 10**300])
def test_a_later_version_is_named_whatever_else_it_changes(version: int) -> None:
    refused = refusal(json.dumps({"format": "mcp-reconciler-export", "version": version, "x": 1}).encode())
    assert refused is not None and refused.code == "newer-version"
    assert f"version {str(version)[:20]} " in str(refused) and "version 1" in str(refused)


@requirement("PAGE-2:refusals")
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"1", b"version: 1\n", b'{"mcpServers": {}}', b"\x00\xff", b"PK\x03\x04"]
)
def test_what_was_never_an_export_is_told_so(data: bytes) -> None:
    assert (code_of(data), kind_of(data)) == ("not-ours", None)


@requirement("PAGE-2:refusals")
def test_a_file_that_is_cut_off_anywhere_is_never_taken_for_whole() -> None:
    data = sealed({"a": 1})
    for end in range(len(data)):
        expected = "not-ours" if end < len('{"format":"mcp-reconciler-export"') else "damaged"
        assert code_of(data[:end]) == expected
        assert kind_of(data[:end]) == (None if expected == "not-ours" else "reconciler")


def test_members_that_nobody_knows_belong_to_what_is_sealed() -> None:
    assert code_of(changed(sealed({}), note="trust me")) == "altered"


def test_spaces_and_order_of_the_file_mean_nothing() -> None:
    whole = json.loads(sealed({"a": 1}))
    again = {name: whole[name] for name in sorted(whole, reverse=True)}
    assert unseal(b"\n " + json.dumps(again, indent=4).encode() + b"\r\n", PASSPHRASE) == {"a": 1}


@pytest.mark.parametrize(
    "payload", [{"a": float("nan")}, {"a": "\ud800"}, {"a": b""}, {"a": {1, 2}}, {1: "a", "1": "b"}]
)
def test_what_could_not_be_read_again_is_not_sealed(payload: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        sealed(payload)


def test_as_many_levels_as_are_read_are_sealed_and_not_one_more() -> None:
    def nested(levels: int) -> Any:
        value: Any = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    assert unseal(sealed(nested(64)), PASSPHRASE) == nested(64)
    with pytest.raises(ValueError, match="64 levels"):
        sealed(nested(65))


def test_a_file_that_could_not_be_read_again_is_not_written() -> None:
    largest = export_file.LARGEST_FILE
    fits = sealed({"a": "x" * (largest * 3 // 4 - 1000)})
    assert len(fits) <= largest and code_of(fits) is None
    with pytest.raises(ExportTooLarge, match="more than 32 MiB; export fewer"):
        sealed({"a": "x" * (largest * 3 // 4)})


def test_a_wrong_passphrase_may_be_any_text() -> None:
    data = sealed({})
    for passphrase in ("", "x", "\ud800", "\x00", "x" * 100_000):
        assert code_of(data, passphrase) == "wrong-passphrase"


@pytest.mark.parametrize(
    "limits", [{"m_kib": 8191}, {"m_kib": 2**20 + 1}, {"t": 0}, {"t": 11}, {"p": 0}, {"p": 9}, {"t": True}]
)
def test_argon2_outside_the_limits_is_none(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        Argon2(**limits)


@pytest.mark.parametrize("limits", [{"n": 2**14}, {"n": 2**21}, {"n": 2**16 + 1}, {"r": 9}, {"p": 2}])
def test_scrypt_outside_the_limits_is_none(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        Scrypt(**limits)
