"""How the text of a file is damaged, by whoever edits, merges or copies it; and texts that mean the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/reconciler.yaml"))
Damage: TypeAlias = Callable[[bytes, random.Random], bytes]


def flip(text: bytes, chance: random.Random) -> bytes:
    """Some bytes are others."""
    damaged = bytearray(text)
    for _ in range(chance.randint(1, 3)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def cut(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text))]


def empty(_: bytes, chance: random.Random) -> bytes:
    return b" \n" * chance.randrange(3)


def conflict(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    begin = chance.randrange(len(lines))
    end = chance.randrange(begin, len(lines))
    theirs = [b"<<<<<<< HEAD\n", *lines[begin:end], b"=======\n", b"  theirs: {}\n", b">>>>>>> other\n"]
    return b"".join([*lines[:begin], *theirs, *lines[end:]])


def nul(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + b"\0" * chance.randint(1, 9) + text[at:]


def twice(text: bytes, chance: random.Random) -> bytes:
    """A server is there twice."""
    blocks = text.split(b"\n  s")
    return text + b"  s" + chance.choice(blocks[1:]).rstrip(b"\n") + b"\n"


def tab(text: bytes, chance: random.Random) -> bytes:
    lines = text.split(b"\n")
    indented = [number for number, line in enumerate(lines) if line.startswith(b"    ")]
    for number in chance.sample(indented, 2):
        lines[number] = b"\t" + lines[number].lstrip()
    return b"\n".join(lines)


def other_encoding(text: bytes, chance: random.Random) -> bytes:
    return text.decode().encode(chance.choice(["utf-16", "latin-1"]), "replace")


def of_an_example(_: bytes, chance: random.Random) -> bytes:
    """Another file, damaged."""
    return chance.choice([flip, cut, conflict, nul])(chance.choice(EXAMPLES).read_bytes(), chance)


DAMAGES: Sequence[Damage] = (flip, cut, empty, conflict, nul, twice, tab, other_encoding, of_an_example)


def mended(whole: bytes, chance: random.Random) -> bytes:
    """A text that means the same: as it was, with other ends of lines, with more said about it, with less."""
    lines = whole.replace(b"\r\n", b"\n").splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith(b"# ")]
    if chance.random() < 0.5:
        lines.insert(0, b"# %d words\n" % chance.randrange(10**6))
    if chance.random() < 0.3:
        lines = [line.replace(b"\n", b"\r\n") if chance.random() < 0.5 else line for line in lines]
    return b"".join(lines)
