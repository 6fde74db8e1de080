"""Ids that nobody chose: two words and four characters, as in `clever-dolphin-a9X3`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeAlias

Choose: TypeAlias = Callable[[Sequence[str]], str]

QUALITIES = (
    *("able", "amber", "ample", "apt", "bold", "brave", "bright", "brisk", "calm", "candid", "cheerful", "clear"),
    *("clever", "cosy", "crisp", "curious", "deft", "eager", "early", "earnest", "even", "fair", "fond", "frank"),
    *("free", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy", "honest", "humble", "jolly", "keen"),
    *("kind", "lively", "lucid", "merry", "mild", "modest", "neat", "nimble", "noble", "open", "patient", "plain"),
    *("polite", "proud", "quick", "quiet", "ready", "serene", "silver", "simple", "steady", "sunny", "swift", "tidy"),
    *("true", "warm", "wise", "witty"),
)
ANIMALS = (
    *("badger", "bear", "beaver", "bee", "bison", "camel", "cat", "cod", "crane", "cricket", "crow", "curlew"),
    *("deer", "dolphin", "donkey", "dove", "duck", "eagle", "egret", "elk", "falcon", "ferret", "finch", "fox"),
    *("frog", "gecko", "goat", "goose", "hare", "hawk", "hedgehog", "heron", "horse", "ibex", "jackdaw", "jay"),
    *("koala", "lark", "lemur", "linnet", "llama", "lynx", "magpie", "marten", "mole", "moose", "newt", "otter"),
    *("owl", "panda", "pigeon", "plover", "puffin", "rabbit", "raven", "robin", "salmon", "seal", "sparrow", "stoat"),
    *("swan", "tern", "thrush", "wren"),
)
_ENDINGS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Nothing that is read as something else."""


def new_name(choose: Choose = secrets.choice) -> str:
    """Two words, as a namespace is called."""
    return f"{choose(QUALITIES)}-{choose(ANIMALS)}"


def new_id(choose: Choose = secrets.choice) -> str:
    """Two words and an ending, as a connection is called."""
    return f"{new_name(choose)}-{''.join(choose(_ENDINGS) for _ in range(4))}"
