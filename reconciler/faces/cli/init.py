"""`reconciler init`: a first file, with what a person wants to see in it, and nothing that could run."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.talk import tell
from reconciler.store.files import write_whole
from reconciler.store.sources import FILE_NAME, Sources, local_overlay

SCHEMA = "schemas/reconciler-1.schema.json"
_ENV_FILE = ".env"
_EXAMPLE = """\
mcpServers: {}
# In place of the line above, for instance:
# mcpServers:
#   time:
#     command: uvx
#     args: [mcp-server-time]
#   docs:
#     url: https://example.com/mcp
#     headers: {Authorization: "Bearer ${env:DOCS_TOKEN}"}
"""


@click.command("init")
@shared()
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(options: Options, force: bool) -> int:
    """Write a first reconciler.yaml.

    Here, or where -f says. In a git checkout, the overlay for this machine alone is added to .gitignore.
    """
    path = options.files[0].absolute() if options.files else Path.cwd() / FILE_NAME
    if path.exists() and not force:
        hint = "edit it, or let `--force` replace it"
        raise Stop(Exit.STALE, "file-exists", f"{path.name} is there already", hint)
    write_whole(path, first_text(path), mode=0o644)
    tell(f"wrote {Sources(path, root=Path.cwd()).shown(path)}")
    ignored = _ignore_local(path)
    if ignored:
        tell(f"added {ignored} to .gitignore: it is merged over the file, on this machine alone")
    if not (path.parent / SCHEMA).exists():
        tell("for an editor's help: `reconciler schema` prints the schema; where it is saved goes into the first line:")
        tell(f"  {_modeline()}")
    tell("next: name a server in it, then `reconciler plan` and `reconciler apply`")
    return Exit.DONE


def first_text(path: Path) -> str:
    """What a new file at `path` says."""
    folder = path.parent
    lines = [_modeline()] if (folder / SCHEMA).exists() else []
    lines += ["version: 1", f"project: {Sources(path).project}"]
    lines += ["defaults:", "  requireApproval: writes  # ask before a call, unless the tool is known to only read"]
    if (folder / _ENV_FILE).is_file():
        lines.append(f"envFile: {_ENV_FILE}  # where ${{env:NAME}} is looked up first")
    return "\n".join(lines) + "\n" + _EXAMPLE


def _modeline() -> str:
    return f"# yaml-language-server: $schema=./{SCHEMA}"


def _ignore_local(path: Path) -> str | None:
    """Let git ignore the overlay beside `path`; answers its name when a line was added."""
    checkout = next((folder for folder in path.parents if (folder / ".git").exists()), None)
    if checkout is None:
        return None
    ignore, name = path.parent / ".gitignore", local_overlay(path).name
    before = ignore.read_text(encoding="utf-8") if ignore.is_file() else ""
    if {name, f"/{name}", "*.local.yaml"} & set(before.splitlines()):
        return None
    gap = "\n" if before and not before.endswith("\n") else ""
    write_whole(ignore, f"{before}{gap}{name}\n", mode=None if before else 0o644)
    return name
