"""The README says what is true: its files are written and its commands run, as they stand there."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.documents import Block, Command, blocks, commands, run_document, shows

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SILENT = ("text",)

SAMPLE = """\
# Title
<!-- not run: it is not to be had here -->
```sh
exit 8
```
```yaml
# folder/one.yaml
a: 1
```
```console
$ cat folder/one.yaml | tail -n 1
a: 1
$ printf 'first\\nsecond\\nthird\\n'
first
...
$ exit 3  # exits with 3
$ echo free
```
<!-- not run: it would go on for ever -->
```console
$ exit 9
```
"""


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a person who has installed the package, with a state of their own."""
    return os.environ | {"RECONCILER_STATE_DIR": str(folder / "state"), "NO_COLOR": "1"}


def test_a_document_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "sample.md").write_text(SAMPLE, encoding="utf-8")
    assert run_document(tmp_path / "sample.md", tmp_path, os.environ) == []
    assert (tmp_path / "folder" / "one.yaml").read_text(encoding="utf-8") == "# folder/one.yaml\na: 1\n"


@pytest.mark.parametrize(
    ("said", "instead", "message"),
    [
        ("\na: 1\n$", "\na: 2\n$", "line 10: $ cat folder/one.yaml | tail -n 1\na: 1\n(exit status 0, expected 0)"),
        ("# exits with 3", "", "line 10: $ exit 3  \n(exit status 3, expected 0)"),
        ("third\\n'\nfirst", "third\\n'\nsecond", "expected 0)"),
    ],
)
def test_a_document_that_says_something_else_is_noticed(said: str, instead: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sample.md").write_text(SAMPLE.replace(said, instead), encoding="utf-8")
    (wrong,) = run_document(tmp_path / "sample.md", tmp_path, os.environ)
    assert message in wrong


def test_a_block_that_is_not_run_has_a_reason() -> None:
    assert [block.why_not_run for block in blocks(SAMPLE)] == [
        "it is not to be had here",
        None,
        None,
        "it would go on for ever",
    ]


def test_a_command_ends_at_the_next() -> None:
    block = Block("console", "$ one  # exits with 2\nout\nmore\n$ two\n", 1, None)
    assert list(commands(block)) == [Command("one  # exits with 2", 2, "out\nmore"), Command("two", 0, "")]


def test_dots_stand_for_anything() -> None:
    assert shows("a...c", "a\nb\nc\n")
    assert not shows("a...d", "a\nb\nc\n")
    assert not shows("a", "a\nb\n")


def test_every_block_of_the_readme_is_run_or_says_why_not() -> None:
    unclear = [
        (block.line, block.language)
        for block in blocks(README.read_text(encoding="utf-8"))
        if not (block.file or block.why_not_run or block.language == "console" or block.language in SILENT)
    ]
    assert unclear == []


@pytest.mark.needs("bash", "uvx")
def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    try:
        wrong = run_document(README, tmp_path, environment)
    finally:
        subprocess.run(["reconciler", "stop"], cwd=tmp_path, env=environment, timeout=60, check=False)
    assert not wrong, "\n".join(wrong)
