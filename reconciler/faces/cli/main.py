"""`reconciler`: the list of commands, each loaded only when it is called. `--help` loads click and nothing else."""

from __future__ import annotations

import gc
import importlib
import keyword
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click

from reconciler import __version__
from reconciler.faces.cli.exits import Exit

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "Configure": {
        "init": "Write a first reconciler.yaml.",
        "validate": "Check the file; all mistakes at once.",
        "fmt": "Bring the file into its normal form.",
        "plan": "Show what would change; change nothing.",
        "apply": "Make it so, after a yes.",
        "watch": "Make it so whenever the file is saved.",
        "rollback": "Bring the file back to what it was, and apply it.",
        "export": "Write servers and their secrets into a sealed file.",
        "import": "Take over the servers of a sealed file.",
        "schema": "Print a JSON Schema.",
    },
    "Run": {
        "status": "Show what is live, what waits, and why.",
        "stop": "End the engine and every server it runs.",
        "restart": "Replace one server's session, the new one first.",
        "pause": "Keep one server from running for a while.",
        "resume": "Let a paused server run again.",
        "logs": "Show what a server printed, and how it ended.",
        "events": "Show what happened.",
        "open": "Open the page, by a fresh link.",
        "token": "Say who may come in over HTTP, and as what.",
    },
    "Tools": {
        "bridge": "Speak MCP on standard input and output.",
        "tools": "List the tools, and who is asked before they run.",
        "call": "Call a tool.",
        "approvals": "Show the calls that wait for a yes.",
        "approve": "Say yes to what waits; list it.",
        "deny": "Say no to what waits.",
        "audit": "Show what was decided about calls.",
        "lock": "Pin what the tools say; show what changed since.",
    },
    "Secrets": {
        "secret": "Store values that the file names as ${secret:NAME}.",
        "auth": "Sign in to a server that wants it.",
    },
    "Help": {
        "doctor": "Look for what keeps it from working.",
    },
}
"""Group -> command -> what it does in one line; the first line of each command's own help."""

SUMMARIES = {name: summary for group in COMMANDS.values() for name, summary in group.items()}
_PROGRAM = "reconciler"
_SYSTEM = os.name
_OBJECTS_BETWEEN_COLLECTIONS = 500_000  # a plan of 10 000 servers makes millions of objects and hardly a cycle


class LazyGroup(click.Group):
    """Commands by name, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return None
        module = cmd_name + "_" * keyword.iskeyword(cmd_name)
        command = importlib.import_module(f"reconciler.faces.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in SUMMARIES and not name.startswith("-"):
            close = importlib.import_module("difflib").get_close_matches(name, SUMMARIES, 1)
            hint = f'did you mean "{close[0]}"?' if close else f"`{_PROGRAM} --help` lists them"
            raise click.UsageError(f'there is no command "{name}"; {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, SUMMARIES))
        for group, commands in COMMANDS.items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(widest), summary) for name, summary in commands.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`reconciler COMMAND --help` says more. The file is reconciler.yaml here or above, or what -f names.",
)
@click.version_option(__version__, "-V", "--version", prog_name=_PROGRAM, message="%(prog)s %(version)s")
def group() -> None:
    """One YAML file describes every MCP server; the reconciler makes it true and keeps it true."""


def main() -> NoReturn:
    """The installed command."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    exit_code = run(sys.argv[1:])
    gc.freeze()  # the process ends: a last search for cycles would find nothing worth its time
    sys.exit(exit_code)


def run(arguments: Sequence[str]) -> int:
    """One command, from its arguments to its exit code. Whatever goes wrong is said here, and nowhere else."""
    if _SYSTEM == "nt":
        click.echo("error: the reconciler needs Linux or macOS; on Windows run it in WSL2", err=True)
        return Exit.SYSTEM
    try:
        result = group.main(args=list(arguments), prog_name=_PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except BrokenPipeError:
        return _hang_up()
    except SystemExit as leaving:  # click met a reader that had gone
        return _hang_up() if leaving.code == 1 else int(leaving.code or 0)
    except BaseException as error:
        return int(importlib.import_module("reconciler.faces.cli.failures").explain(error, arguments))


def _hang_up() -> int:
    """Whoever read our output has seen enough: be quiet, also at exit, when Python flushes."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nothing, stream.fileno())
    return Exit.DONE
