"""Documents that run: a README's files are written and its commands executed, in order, in one directory.

- A `yaml`, `json` or `python` block whose first line is a comment with a file name (`# reconciler.yaml`) is written.
- In a `console` block the lines after `$ ` are run by bash. Output shown below a command must come, `...` standing for
  anything; without any, the output is free. A command exits with 0, or with the 2 of `# exits with 2` at its end.
- `<!-- not run: why -->` in the line before a block leaves it out.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.M | re.S)
_FILE = re.compile(r"(?:#|//) (?P<name>[\w./-]+\.\w+)\n")
_EXIT = re.compile(r"# exits with (\d+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `why_not_run` is the reason that the document gives for leaving it out."""

    language: str
    text: str
    line: int
    why_not_run: str | None

    @property
    def file(self) -> str | None:
        """The name of the file that this block is."""
        match = _FILE.match(self.text)
        return match["name"] if match and self.language != "console" else None


@dataclass(frozen=True, slots=True)
class Command:
    """What stands after `$ `, the exit status it must have, and the output it must show (empty: any)."""

    text: str
    status: int
    output: str


def blocks(document: str) -> list[Block]:
    """Every fenced block of a Markdown text, with the line it starts in."""
    return [
        Block(match["language"], match["text"], document.count("\n", 0, match.start("language")) + 1, match["why"])
        for match in _BLOCK.finditer(document)
    ]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a `console` block."""
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        text, _, output = part.partition("\n")
        status = _EXIT.search(text)
        yield Command(text, int(status[1]) if status else 0, output.strip())


def shows(expected: str, output: str) -> bool:
    """Whether `output` is what the document shows; `...` stands for anything, also for several lines."""
    lines = (line.rstrip() for line in output.strip().splitlines())
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return not expected or re.fullmatch(pattern, "\n".join(lines), re.S) is not None


def run_document(path: Path, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Write and run what stands in the document; the commands that did something else than it says, as text."""
    wrong: list[str] = []
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.why_not_run is None and block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.why_not_run is None and block.language == "console":
            found = (_difference(command, folder, environment) for command in commands(block))
            wrong += [f"line {block.line}: {each}" for each in found if each]
    return wrong


def _difference(command: Command, folder: Path, environment: Mapping[str, str]) -> str | None:
    done = subprocess.run(
        ["bash", "-c", command.text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode == command.status and shows(command.output, done.stdout):
        return None
    return f"$ {command.text}\n{done.stdout}(exit status {done.returncode}, expected {command.status})"
