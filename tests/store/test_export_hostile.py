"""Exported files that somebody changed or made up: all refused, the right way, and before anything is paid for them."""

from __future__ import annotations

import base64
import gzip
import json
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.store.export_file import LARGEST_FILE
from reconciler.store.export_kinds import kind_of
from tests.canary import CANARY
from tests.requirements import requirement
from tests.store.exporting import CHEAP, CODES, PASSPHRASE, changed, code_of, derivations, refusal, sealed

SAMPLE = sealed({"a": CANARY})
WHOLE = json.loads(SAMPLE)


@requirement("PAGE-2:every-byte")
def test_whatever_byte_is_changed_the_file_is_refused_and_no_key_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, int] = dict.fromkeys(CODES, 0)
    with derivations(monkeypatch) as keys:
        for place, old in enumerate(SAMPLE):
            for new in set(range(256)) - {old}:
                refused = refusal(SAMPLE[:place] + bytes([new]) + SAMPLE[place + 1 :])
                assert refused is not None, (place, new)
                told[refused.code] += 1
    assert keys == []
    assert told.pop("newer-version") == 8, "1 became one of 2 to 9"
    assert told.pop("damaged") > 0.9 * len(SAMPLE) * 255
    assert told.pop("not-ours") > 0
    assert set(told.values()) == {0}


@requirement("PAGE-2:every-byte")
def test_whatever_byte_is_taken_out_or_put_in_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with derivations(monkeypatch) as keys:
        for place in range(len(SAMPLE)):
            assert code_of(SAMPLE[:place] + SAMPLE[place + 1 :]) in ("damaged", "not-ours")
        for place in range(len(SAMPLE) + 1):
            for new in b'A"0{,\x00\xff':
                found = code_of(SAMPLE[:place] + bytes([new]) + SAMPLE[place:])
                assert found in ("damaged", "not-ours", "newer-version"), (place, new)
    assert keys == []


def _bits(text: str) -> Iterator[str]:
    data = base64.b64decode(text)
    for place in range(len(data) * 8):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        yield base64.b64encode(changed).decode("ascii")


@requirement("PAGE-2:every-byte")
@pytest.mark.parametrize(
    ("member", "code"), [("ciphertext", "altered"), ("nonce", "altered"), ("check", "wrong-passphrase")]
)
def test_a_bit_that_is_changed_under_a_sha256_that_fits_is_found_by_its_seal(member: str, code: str) -> None:
    assert {code_of(changed(SAMPLE, **{member: text})) for text in _bits(WHOLE[member])} == {code}


@requirement("PAGE-2:every-byte")
def test_another_salt_or_kdf_makes_other_keys() -> None:
    salts = [{**WHOLE["kdf"], "salt": text} for text in _bits(WHOLE["kdf"]["salt"])]
    costs = [{**WHOLE["kdf"], "t": 2}, {**WHOLE["kdf"], "m_kib": 8193}, {**WHOLE["kdf"], "p": 2}]
    scrypt = {"alg": "scrypt", "n": 2**15, "r": 8, "p": 1, "salt": WHOLE["kdf"]["salt"]}
    assert {code_of(changed(SAMPLE, kdf=kdf)) for kdf in (*salts, *costs, scrypt)} == {"wrong-passphrase"}


@requirement("PAGE-2:every-byte")
@pytest.mark.parametrize("more", [{"created": "2026-11-21T12:00:01Z"}, {"created": ""}, {"note": 1}, {"Version": 1}])
def test_every_member_of_the_header_is_under_the_seal(more: dict[str, Any]) -> None:
    assert code_of(changed(SAMPLE, **more)) == "altered"


@requirement("PAGE-2:every-byte")
def test_parts_of_two_files_are_not_one() -> None:
    other = json.loads(sealed({"a": "other"}))
    mixed = [{"ciphertext": other["ciphertext"]}, {"nonce": other["nonce"]}]
    mixed.append({"ciphertext": other["ciphertext"], "nonce": other["nonce"]})
    assert [code_of(changed(SAMPLE, **parts)) for parts in mixed] == ["altered"] * 3
    keyed = {name: other[name] for name in ("kdf", "check", "nonce", "ciphertext")}
    assert code_of(changed(SAMPLE, **keyed)) is None, "the same head with all that is sealed is that other file"


@requirement("PAGE-2:every-byte")
def test_a_refusal_tells_nothing_of_what_was_sealed() -> None:
    ciphertext = next(_bits(WHOLE["ciphertext"]))
    for data, passphrase in ((changed(SAMPLE, ciphertext=ciphertext), PASSPHRASE), (SAMPLE, "not that passphrase")):
        refused = refusal(data, passphrase)
        assert refused is not None
        whole = "".join(traceback.format_exception(refused)) + refused.hint
        assert CANARY not in whole and PASSPHRASE not in whole
        assert refused.__context__ is None or refused.__suppress_context__


HOSTILE: dict[str, bytes] = {
    "1 TiB": changed(SAMPLE, kdf={**WHOLE["kdf"], "m_kib": 2**30}),
    "1 KiB": changed(SAMPLE, kdf={**WHOLE["kdf"], "m_kib": 1}),
    "10^9 passes": changed(SAMPLE, kdf={**WHOLE["kdf"], "t": 10**9}),
    "no pass": changed(SAMPLE, kdf={**WHOLE["kdf"], "t": 0}),
    "255 lanes": changed(SAMPLE, kdf={**WHOLE["kdf"], "p": 255}),
    "memory as text": changed(SAMPLE, kdf={**WHOLE["kdf"], "m_kib": "8192"}),
    "memory as true": changed(SAMPLE, kdf={**WHOLE["kdf"], "t": True}),
    "memory with a fraction": changed(SAMPLE, kdf={**WHOLE["kdf"], "m_kib": 8192.0}),
    "more than the kdf has": changed(SAMPLE, kdf={**WHOLE["kdf"], "secret": ""}),
    "less than the kdf has": changed(SAMPLE, kdf={"alg": "argon2id", "m_kib": 8192, "salt": WHOLE["kdf"]["salt"]}),
    "no kdf": changed(SAMPLE, kdf=None),
    "a list of kdfs": changed(SAMPLE, kdf=[WHOLE["kdf"]]),
    "another kdf": changed(SAMPLE, kdf={**WHOLE["kdf"], "alg": "pbkdf2"}),
    "an unhashable kdf": changed(SAMPLE, kdf={**WHOLE["kdf"], "alg": {}}),
    "an attribute as a kdf": changed(SAMPLE, kdf={"alg": "__class__", "salt": WHOLE["kdf"]["salt"]}),
    "scrypt N 2^30": changed(SAMPLE, kdf={"alg": "scrypt", "n": 2**30, "r": 8, "p": 1, "salt": WHOLE["kdf"]["salt"]}),
    "scrypt r 2^20": changed(
        SAMPLE, kdf={"alg": "scrypt", "n": 2**15, "r": 2**20, "p": 1, "salt": WHOLE["kdf"]["salt"]}
    ),
    "a short salt": changed(SAMPLE, kdf={**WHOLE["kdf"], "salt": "AAAA"}),
    "a long salt": changed(SAMPLE, kdf={**WHOLE["kdf"], "salt": "A" * 40_000}),
    "a short nonce": changed(SAMPLE, nonce="AAAA"),
    "no nonce": changed(SAMPLE, nonce=None),
    "a short check": changed(SAMPLE, check=""),
    "no ciphertext": changed(SAMPLE, ciphertext=""),
    "less than a tag": changed(SAMPLE, ciphertext="AAAA"),
    "another cipher": changed(SAMPLE, cipher="AES-256-CBC"),
    "no time": changed(SAMPLE, created=5),
    "no sha256": json.dumps({name: value for name, value in WHOLE.items() if name != "sha256"}).encode(),
    "base64 with a line end": json.dumps({**WHOLE, "sha256": WHOLE["sha256"] + "\n"}).encode(),
    "base64 of URLs": json.dumps({**WHOLE, "sha256": "_" * 43 + "="}).encode(),
    "base64 that is wide": json.dumps({**WHOLE, "sha256": "\uff21" * 44}).encode(),
    "base64 without its end": json.dumps({**WHOLE, "sha256": WHOLE["sha256"].rstrip("=")}).encode(),
    "10 000 levels": SAMPLE[:-1] + b',"x":' + b"[" * 10_000,
    "100 levels": SAMPLE[:-1] + b',"x":' + b"[" * 100 + b"]" * 100 + b"}",
    "65 levels": SAMPLE[:-1] + b',"x":' + b"[" * 64 + b"]" * 64 + b"}",
    "300 members": SAMPLE[:-1] + b"".join(b',"%d":0' % number for number in range(300)) + b"}",
    "a key twice": SAMPLE[:-1] + b',"created":"now"}',
    "a key twice, escaped": SAMPLE[:-1] + b',"\\u0063reated":"now"}',
    "a key twice, inside": SAMPLE[:-1] + b',"x":[{"a":1,"a":1}]}',
    "half a character": changed(SAMPLE, note="\ud800"),
    "half a character as a key": changed(SAMPLE, note={"\udc00": 1}),
    "NaN": SAMPLE[:-1] + b',"x":NaN}',
    "-Infinity": SAMPLE[:-1] + b',"x":-Infinity}',
    "beyond a double": SAMPLE[:-1] + b',"x":1e999}',
    "beyond 2^53": SAMPLE[:-1] + b',"x":9007199254740993}',
    "5 000 digits": SAMPLE[:-1] + b',"x":' + b"9" * 5000 + b"}",
    "a comment": SAMPLE + b"// ours",
    "two values": SAMPLE + SAMPLE,
    "a byte order mark": b"\xef\xbb\xbf" + SAMPLE,
    "bytes that are no UTF-8": SAMPLE[:-1] + b',"x":"\xc3\x28"}',
    "a list of it": b"[" + SAMPLE + b"]",
}
NEVER_OURS = {
    "nothing": b"",
    "UTF-16": SAMPLE.decode().encode("utf-16"),
    "zipped": gzip.compress(SAMPLE),
    "more than is read": bytes(LARGEST_FILE + 1),
    "10 000 levels of nothing": b"[" * 10_000,
}


@requirement("PAGE-2:hostile")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_damage_before_a_key_is_derived(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with derivations(monkeypatch) as keys:
        assert (code_of(HOSTILE[name]), kind_of(HOSTILE[name])) == ("damaged", "reconciler")
    assert keys == []


@requirement("PAGE-2:hostile")
@pytest.mark.parametrize("name", NEVER_OURS)
def test_bytes_that_were_never_ours_are_told_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with derivations(monkeypatch) as keys:
        assert (code_of(NEVER_OURS[name]), kind_of(NEVER_OURS[name])) == ("not-ours", None)
    assert keys == []


@requirement("PAGE-2:hostile")
def test_hostile_headers_take_less_than_a_tenth_of_a_second() -> None:
    slow = {name: taken for name, data in HOSTILE.items() if (taken := min(_seconds(data) for _ in range(3))) > 0.1}
    assert slow == {}


def _seconds(data: bytes) -> float:
    start = time.thread_time()
    code_of(data)
    return time.thread_time() - start


@requirement("PAGE-2:hostile")
def test_one_byte_too_many_is_refused_unread() -> None:
    room = LARGEST_FILE - len(SAMPLE)
    assert code_of(SAMPLE + b" " * room) is None
    assert code_of(SAMPLE + b" " * (room + 1)) == "damaged"


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A file cut into pieces that are dropped, doubled, moved and mixed with others."""
    data = draw(st.sampled_from([SAMPLE, *(each for each in HOSTILE.values() if len(each) < 2000)]))
    for _ in range(draw(st.integers(1, 4))):
        first, last = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        middle = draw(st.sampled_from([b"", data[first:last] * 2, data[:first]]) | st.binary(max_size=8))
        data = data[:first] + middle + data[last:]
    return data


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*WHOLE.values()]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WHOLE, "x"]), inner, max_size=3),
    max_leaves=6,
)
headers = st.dictionaries(st.sampled_from([*WHOLE, "x"]), json_values, max_size=4)
kdfs = st.dictionaries(st.sampled_from([*WHOLE["kdf"], "n", "r"]), json_values, max_size=4)


@requirement("PAGE-2:hostile")
@settings(max_examples=2000, deadline=None)
@given(_mutated() | st.binary(max_size=200))
def test_malformed_files_are_refused_and_nothing_else(data: bytes) -> None:
    assert code_of(data) in CODES or json.loads(data) == WHOLE


@requirement("PAGE-2:hostile")
@settings(max_examples=2000, deadline=None)
@given(headers, st.none() | kdfs)
def test_made_up_headers_are_refused_and_nothing_else(members: dict[str, Any], kdf: dict[str, Any] | None) -> None:
    whole = {**WHOLE, **members} if kdf is None else {**WHOLE, **members, "kdf": {**WHOLE["kdf"], **kdf}}
    assert code_of(json.dumps(whole).encode()) in CODES or whole == WHOLE


@requirement("PAGE-2:hostile")
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["nonce", "check", "created", "cipher", "x"]), json_values, min_size=1))
def test_made_up_headers_with_a_sha256_that_fits_are_refused_and_nothing_else(members: dict[str, Any]) -> None:
    try:
        data = changed(SAMPLE, **members)
    except ValueError:
        return  # it has no canonical form, so nobody can make a sha256 for it
    assert code_of(data) in CODES or {**WHOLE, **members} == WHOLE


def test_the_files_here_are_sealed_cheaply() -> None:
    assert WHOLE["kdf"]["m_kib"] == CHEAP.m_kib and code_of(SAMPLE) is None
