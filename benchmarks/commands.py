"""How long commands take as whole processes, from start to exit, output read and thrown away.

The baseline is a bare interpreter, `python -c pass`; `import click` and `import pydantic` stand beside it because
every command pays for the first and every one that reads the file for the second.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import heading, in_turn, options, table
from benchmarks.texts import configuration
from reconciler.model.accepted import Accepted
from reconciler.store.accepted import write_accepted
from reconciler.store.sources import Sources, read_sources
from reconciler.store.state_dir import fingerprint, state_dir_of

COMMAND = Path(sys.executable).with_name("reconciler")
CHANGES = 2
"""`plan --exit-code` when there are changes."""


def main() -> None:
    given = options(__doc__ or "", sizes=(50, 1_000, 10_000), quick_sizes=(50, 200))
    heading("Commands as whole processes")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        table(in_turn(_small(Path(folder)), given.runs))
        for size in given.sizes:
            print(f"\nplan of {size} servers")
            table(in_turn(_plans(Path(folder, str(size)), size), given.runs))


def _small(folder: Path) -> dict[str, Callable[[], object]]:
    file = folder / "reconciler.yaml"
    file.write_text(configuration(50), encoding="utf-8")
    return {
        "python -c pass (baseline)": _python("pass"),
        "python -c 'import click'": _python("import click"),
        "python -c 'import pydantic'": _python("import pydantic"),
        "reconciler --help": _reconciler("--help"),
        "reconciler validate, 50 servers": _reconciler("validate", "-f", str(file)),
    }


def _plans(folder: Path, size: int) -> dict[str, Callable[[], object]]:
    """Nothing applied before, all applied, and one server changed since: each with text, and the middle one as JSON."""
    folder.mkdir()
    same, changed = folder / "same.reconciler.yaml", folder / "changed.reconciler.yaml"
    for file in (same, changed):
        file.write_text(configuration(size), encoding="utf-8")
        _accept(file, folder / "state")
    changed.write_text(configuration(size, changed=size // 2), encoding="utf-8")

    def plan(file: Path, state: str, *more: str, exit_code: int = CHANGES) -> Callable[[], object]:
        base = str(folder / state)
        return _reconciler("plan", "-f", str(file), "--state-dir", base, "--exit-code", *more, exit_code=exit_code)

    return {
        "python -c pass (baseline)": _python("pass"),
        "all created, no state": plan(same, "no-state"),
        "all created, no state, -o json": plan(same, "no-state", "-o", "json"),
        "nothing changed": plan(same, "state", exit_code=0),
        "one changed": plan(changed, "state"),
        "one changed, -o json": plan(changed, "state", "-o", "json"),
    }


def _accept(file: Path, base: Path) -> None:
    """As if what the file says had been applied, which at this size would take a machine of another kind."""
    sources = Sources(file)
    state = state_dir_of(file, sources.project, base)
    state.ensure()
    hide = fingerprint(state.ensure_key())
    write_accepted(state, Accepted("benchmark", 1, read_sources(sources).reading.document(hide)))


def _python(text: str) -> Callable[[], object]:
    return lambda: _run([sys.executable, "-c", text], 0)


def _reconciler(*arguments: str, exit_code: int = 0) -> Callable[[], object]:
    return lambda: _run([str(COMMAND), *arguments], exit_code)


def _run(command: list[str], exit_code: int) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != exit_code:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[:500]}")


if __name__ == "__main__":
    main()
