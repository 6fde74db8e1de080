"""Which exact version of which package a command runs, where the command itself says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_VERSION = r"\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z][0-9A-Za-z.+-]*)?"
_NPM = re.compile(rf"((?:@[\w.-]+/)?[\w.-]+)@({_VERSION})")
_PYPI = re.compile(rf"([\w.-]+)(?:\[[\w,.-]*\])?(?:==|@)({_VERSION})")
_IMAGE = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}")
_RUNNERS = {
    "npx": "npm",
    "bunx": "npm",
    "pnpx": "npm",
    "uvx": "pypi",
    "docker": "oci",
    "podman": "oci",
    "nerdctl": "oci",
}
_NAMES_THE_PACKAGE = ("--package", "-p", "--from")


def package_of(command: str, args: Sequence[str]) -> str | None:
    """`npm:name@1.2.3`, `pypi:name==1.2.3` or `oci:image@sha256:...`; None where nothing exact is written."""
    kind = _RUNNERS.get(re.split(r"[/\\]", command)[-1].removesuffix(".cmd").removesuffix(".exe"))
    if kind == "oci":
        return next((f"oci:{arg}" for arg in args if _IMAGE.fullmatch(arg)), None)
    found = _named(args) if kind else None
    if found is None:
        return None
    if kind == "npm":
        match = _NPM.fullmatch(found)
        return f"npm:{match[1]}@{match[2]}" if match else None
    match = _PYPI.fullmatch(found)
    return f"pypi:{match[1]}=={match[2]}" if match else None


def _named(args: Iterable[str]) -> str | None:
    """What a runner is told to run: after an option that says so, else the first that is no option."""
    words = list(args)
    for option in _NAMES_THE_PACKAGE:
        for index, word in enumerate(words):
            if word == option and index + 1 < len(words):
                return words[index + 1]
            if word.startswith(f"{option}="):
                return word.removeprefix(f"{option}=")
            if not word.startswith("-"):
                break
    return next((word for word in words if not word.startswith("-")), None)
