"""What documents and messages name is there: commands, options, files and the places that links lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.faces.cli.main import SUMMARIES, group
from tests.documents import blocks

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md", "benchmarks/*.md", "reconciler/*.md")
    for path in ROOT.glob(pattern)
)
CODE = sorted((ROOT / "reconciler").rglob("*.py"))
INLINE = re.compile(r"`reconciler\s+(?P<words>[a-z]+(?:\s[^`]*)?)`")
LINE = re.compile(r"^(?:\$ )?(?:.* )?reconciler (?P<words>[a-z]+(?: [^|;\n]*)?)$", re.M)
SHELLS = ("sh", "console")
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")
FILE = re.compile(r"[`(]((?:reconciler|tests|schemas|examples|scripts|docs|benchmarks)/[\w./-]*)(?=[`)<])")


def named_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Command and options of each command of ours that a text names, in a sentence or in a block of commands."""
    shown = (found for block in blocks(text) if block.language in SHELLS for found in LINE.finditer(block.text))
    for match in (*INLINE.finditer(text), *shown):
        command, *words = match["words"].split()
        yield command, [re.split(r"[^\w-]", word)[0] for word in words if re.match("--?[a-z]", word)]


def unknown_in(text: str) -> list[str]:
    """The commands and options that a text names and that we do not have."""
    return [wrong for command, options in named_commands(text) for wrong in unknown(command, options)]


def unknown(command: str, options: list[str]) -> Iterator[str]:
    if command not in SUMMARIES:
        yield command
        return
    context = click.Context(group)
    found = group.get_command(context, command)
    assert found is not None
    have = {"-h", "--help"} | {name for each in found.params for name in (*each.opts, *each.secondary_opts)}
    yield from (f"{command} {option}" for option in options if option not in have)


def test_a_command_or_an_option_that_is_not_there_is_noticed() -> None:
    text = "Run `reconciler lock --check`, `reconciler lock --chek`\n\n```sh\nreconciler aprove X\n```"
    assert unknown_in(text) == ["lock --chek", "aprove"]
    assert unknown_in("`reconciler\ntoken --rolle x` of `reconciler status --exit-code`") == ["token --rolle"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_only_what_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert unknown_in(text) == []
    assert [link for link in LINK.findall(text) if not (document.parent / link).exists()] == []
    assert [path for path in FILE.findall(text) if not (ROOT / path).exists()] == []


def test_messages_name_only_commands_and_options_that_are_there() -> None:
    wrong = {str(path.relative_to(ROOT)): unknown_in(path.read_text(encoding="utf-8")) for path in CODE}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert sum(len(list(named_commands(path.read_text(encoding="utf-8")))) for path in CODE) > 30
