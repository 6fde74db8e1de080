"""Writes the vectors of the exported file, by docs/export.md alone: nothing of the product is used.

`python -m tests.vectors.export.make` writes `vectors.json` and the files that it names. Salts and nonces are made from
a vector's name, so that the bytes are the same each time; a real file has random ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

HERE = Path(__file__).parent
INDEX = "vectors.json"

PASSPHRASE = "five gulls over the pier"
CREATED = "2026-11-21T12:00:00Z"
LEAST = {"alg": "argon2id", "m_kib": 8192, "t": 1, "p": 1}
STANDARD = {"alg": "argon2id", "m_kib": 65536, "t": 3, "p": 1}
PAYLOAD = {"servers": {"docs": {"url": "https://docs.example.com/mcp", "headers": {"X-Key": "k-1"}}}}

Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Vector:
    """`data` opens under `passphrase` to `opens`, or is refused with the code `refused`."""

    name: str
    about: str
    data: bytes
    opens: Any = None
    refused: str | None = None
    passphrase: str = PASSPHRASE
    kind: str = "reconciler"


@dataclass
class Draft:
    """A file of ours before it is text; what a vector does wrong it does to one of these."""

    name: str
    payload: bytes = b""
    kdf: Object = field(default_factory=lambda: dict(LEAST))
    passphrase: str = PASSPHRASE
    more: Object = field(default_factory=dict)

    def members(self) -> Object:
        """The whole file, sealed."""
        salt, nonce = _made(self.name, "salt", 16), _made(self.name, "nonce", 12)
        head: Object = {"format": "mcp-reconciler-export", "version": 1, "created": CREATED, "cipher": "AES-256-GCM"}
        head |= {"kdf": {**self.kdf, "salt": _base64(salt)}, "nonce": _base64(nonce), **self.more}
        keys = _stretched(self.passphrase, self.kdf, salt)
        head["check"] = _base64(hmac.digest(keys[32:], b"mcp-reconciler-export 1 check", "sha256")[:16])
        sealed = AESGCM(keys[:32]).encrypt(nonce, self.payload, canonical(head))
        return summed({**head, "ciphertext": _base64(sealed)})


def canonical(value: Any) -> bytes:
    """RFC 8785, for the values that stand in these headers: their numbers are whole and small."""
    return _canonical(value).encode("utf-8")


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical(key)}:{_canonical(member)}" for key, member in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def summed(members: Object) -> Object:
    """The same with the sha256 that fits, whatever else is wrong."""
    head = canonical({key: value for key, value in members.items() if key not in ("ciphertext", "sha256")})
    digest = hashlib.sha256(head + base64.b64decode(members["ciphertext"])).digest()
    return {**members, "sha256": _base64(digest)}


def text_of(members: Any) -> bytes:
    """A file."""
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _made(name: str, what: str, size: int) -> bytes:
    return hashlib.sha256(f"{name} {what}".encode()).digest()[:size]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _stretched(passphrase: str, kdf: Object, salt: bytes) -> bytes:
    """`passphrase` is in NFKC already."""
    text = passphrase.encode("utf-8")
    if kdf["alg"] == "scrypt":
        return Scrypt(salt=salt, length=64, n=kdf["n"], r=kdf["r"], p=kdf["p"]).derive(text)
    argon = Argon2id(salt=salt, length=64, iterations=kdf["t"], lanes=kdf["p"], memory_cost=kdf["m_kib"])
    return argon.derive(text)


def _flipped(text: str, index: int = 0) -> str:
    data = bytearray(base64.b64decode(text))
    data[index] ^= 1
    return _base64(bytes(data))


def _respelled(text: str) -> str:
    """Another text that careless readers take for the same bytes: bits that stand for nothing are set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return f"{text[:-2]}{alphabet[alphabet.index(text[-2]) ^ 1]}="


# What opens


def good() -> Iterator[Vector]:
    """Files that every reader opens."""
    kdfs = {
        "standard": (STANDARD, "what files are written with: Argon2id with 64 MiB, 3 passes, 1 lane"),
        "argon2-least": (LEAST, "the least that is accepted: 8 MiB, 1 pass, 1 lane"),
        "argon2-lanes": ({**LEAST, "m_kib": 16384, "t": 2, "p": 8}, "8 lanes, 2 passes"),
        "scrypt": ({"alg": "scrypt", "n": 131072, "r": 8, "p": 1}, "scrypt, N 2^17"),
        "scrypt-least": ({"alg": "scrypt", "n": 32768, "r": 8, "p": 1}, "scrypt, N 2^15"),
    }
    for name, (kdf, about) in kdfs.items():
        yield _opening(name, about, kdf=kdf)
    yield _opening("payload-empty", "an object without members", payload={})
    yield _opening("payload-values", "every kind of JSON value, and text beyond the first plane", payload=_EVERY_KIND)
    yield _opening("header-unknown", "members that are not known are authenticated", more=_UNKNOWN)
    yield _opening(
        "passphrase-composed", "NFKC joins letters and their accents", typed="Cafe\u0301 cre\u0300me ole\u0301"
    )
    typed = "\uff11\uff12\uff13 \ufb01ne \u2460 \u210cound\u00a0\u6f22\u5b57"
    yield _opening("passphrase-compatible", "NFKC makes wide digits, ligatures and such plain", typed=typed)
    members = Draft("header-reordered", text_of(PAYLOAD)).members()
    data = json.dumps(dict(sorted(members.items(), reverse=True)), indent=2).encode() + b"\n"
    yield Vector("header-reordered", "order and spaces of the file mean nothing", data, PAYLOAD)


_EVERY_KIND = {"a": [None, True, False, 0, -1, 1.5, 1e300, "", '\u00fc \U0001f600 \u2028 " \\ / \x01'], "": {"": []}}
_UNKNOWN = {"note": "from the team", "\ue000": [1, {"b": None, "a": True}], "\U0001f600": "sorted by UTF-16", "Z": -7}
_NFKC = {
    "passphrase-composed": "Caf\u00e9 cr\u00e8me ol\u00e9",
    "passphrase-compatible": "123 fine 1 Hound \u6f22\u5b57",
}


def _opening(name: str, about: str, *, payload: Any = PAYLOAD, typed: str = PASSPHRASE, **more: Any) -> Vector:
    draft = Draft(name, text_of(payload), passphrase=_NFKC.get(name, typed), **more)
    return Vector(name, about, text_of(draft.members()), payload, passphrase=typed)


# What is refused


def bad() -> Iterator[Vector]:
    """Files that every reader refuses, and with which of the five codes."""
    yield _refused(
        "wrong-passphrase", "whole, under another passphrase", "wrong-passphrase", passphrase="six gulls, ..."
    )
    yield _changed("not-ours", "another format", "not-ours", lambda m: summed({**m, "format": "reconciler.vault"}))
    yield _changed("newer-version", "version 2", "newer-version", lambda m: summed({**m, "version": 2}))
    yield _changed("version-text", "a version that is no number", "damaged", lambda m: summed({**m, "version": "1"}))
    yield _changed("damaged", "one bit of the ciphertext", "damaged", _with("ciphertext", _flipped))
    yield _changed("altered", "the same, with the sha256 that fits", "altered", _with("ciphertext", _flipped, summed))
    later = _with("created", lambda _: "2027-01-01T00:00:00Z", summed)
    yield _changed("altered-header", "another time, with the sha256 that fits", "altered", later)
    added = _with("note", lambda _: "trust me", summed)
    yield _changed("altered-unknown", "a member more, with the sha256 that fits", "altered", added)
    huge = _with("kdf", lambda kdf: {**kdf, "m_kib": 2**30}, summed)
    yield _changed("kdf-too-large", "1 TiB of memory is asked for", "damaged", huge)
    weak = _with("kdf", lambda kdf: {**kdf, "m_kib": 64}, summed)
    yield _changed("kdf-too-small", "64 KiB of memory: less than any file has", "damaged", weak)
    about = "base64 of the same bytes in another spelling, where nothing is authenticated"
    yield _changed("base64-loose", about, "damaged", _with("sha256", _respelled))
    whole = text_of(Draft("truncated", text_of(PAYLOAD)).members())
    yield Vector("truncated", "without its last 20 bytes", whole[:-20], refused="damaged")
    twice = whole[:-1] + b',"created":"' + CREATED.encode() + b'"}'
    yield Vector("key-twice", "a member stands there twice", twice, refused="damaged")
    for name, payload in {"payload-list": b"[]", "payload-key-twice": b'{"a":1,"a":2}'}.items():
        data = text_of(Draft(name, payload).members())
        yield Vector(name, "sealed, and no object of the format", data, refused="damaged")


Change: TypeAlias = Callable[[Object], Object]


def _with(member: str, change: Callable[[Any], Any], then: Change | None = None) -> Change:
    def changed(members: Object) -> Object:
        after = {**members, member: change(members.get(member))}
        return then(after) if then else after

    return changed


def _changed(name: str, about: str, code: str, change: Change) -> Vector:
    members = change(Draft(name, text_of(PAYLOAD)).members())
    return Vector(name, about, text_of(members), refused=code)


def _refused(name: str, about: str, code: str, passphrase: str) -> Vector:
    return Vector(name, about, text_of(Draft(name, text_of(PAYLOAD)).members()), None, code, passphrase)


# Files of MCP Explorer


def explorer() -> Iterator[Vector]:
    """Its version 1: PBKDF2, a list of connections, and nothing but the tag to go by."""
    name, passphrase = "explorer", "P@$$w0rd!#\u00a3\u20ac%^&*()"
    connections = [
        {
            "name": "GitHub",
            "endpoint": "https://mcp.example.com/mcp",
            "authenticationMode": 0,
            "headers": [
                {"name": "Authorization", "value": "t-1", "authorizationType": "Bearer", "isAuthorization": True}
            ],
            "note": "",
            "createdAt": "2026-04-23T19:50:57.1234567Z",
        }
    ]
    members = _explorer_members(name, passphrase, connections)
    about = "a connection with a header"
    yield Vector(name, about, text_of(members), connections, None, passphrase, "mcp-explorer")
    yield Vector(
        f"{name}-wrong-passphrase", "and a passphrase in another case", text_of(members), None, "wrong-passphrase",
        passphrase.lower(), "mcp-explorer",
    )  # fmt: skip
    changed = {**members, "data": _flipped(members["data"])}
    about = "one bit of the data, which looks like a wrong passphrase"
    yield Vector(f"{name}-changed", about, text_of(changed), None, "wrong-passphrase", passphrase, "mcp-explorer")


def _explorer_members(name: str, passphrase: str, connections: Any) -> Object:
    salt, nonce = _made(name, "salt", 16), _made(name, "nonce", 12)
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode("utf-8"), salt, 100_000, 32)
    data = AESGCM(key).encrypt(nonce, text_of(connections), None)
    return {"version": 1, "salt": _base64(salt), "nonce": _base64(nonce), "data": _base64(data)}


def vectors() -> list[Vector]:
    """All of them."""
    return [*good(), *bad(), *explorer()]


def files() -> dict[str, bytes]:
    """Every file of this folder that is made here, by name."""
    made = {_file_of(vector): vector.data for vector in vectors()}
    rows = [_row(vector) for vector in vectors()]
    return {**made, INDEX: (json.dumps(rows, indent=1) + "\n").encode("ascii")}


def _file_of(vector: Vector) -> str:
    return f"{vector.name}.json"


def _row(vector: Vector) -> Object:
    row = {"file": _file_of(vector), "about": vector.about, "kind": vector.kind, "passphrase": vector.passphrase}
    return {**row, "refused": vector.refused} if vector.refused else {**row, "opens": vector.opens}


if __name__ == "__main__":
    for name, data in files().items():
        (HERE / name).write_bytes(data)
    sys.exit(0)
