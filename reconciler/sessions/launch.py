"""From a server's transport to what is executed: argv, environment, directory. Here references become values."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.secret import SecretRef, Template
from reconciler.model.server import Stdio
from reconciler.sessions.session import Resolve, SessionError

OWNER = "RECONCILER_OWNER"
"""The variable that says whose child a process is: `<cookie of the state directory>:<instance>`."""

BASIC = frozenset({"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"})
NETWORK = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"})
PASSED_ON = BASIC | NETWORK | {name.lower() for name in NETWORK if name.endswith("_PROXY")} | {"LANG", "TMPDIR"}


@dataclass(frozen=True, slots=True)
class Launch:
    """`argv[0]` is the path of an executable file. `missing` are the forwarded names that are unset."""

    argv: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    directory: str
    missing: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)


def prepare(
    transport: Stdio, resolve: Resolve, *, workspace: str, environment: Mapping[str, str], owner: str
) -> Launch:
    """Resolve everything and check it. Raises Unresolved, or a terminal SessionError that names what is wrong."""
    values = _Values(resolve, workspace)
    directory = str(Path(workspace, values.of(transport.cwd))) if transport.cwd else workspace
    if not Path(directory).is_dir():
        raise SessionError(f"The directory {directory} does not exist.", terminal=True, code="no-directory")
    own = {name: values.of(template, secret=True) for name, template in transport.env.items()}
    forwarded = {name: environment[name] for name in transport.forward if name in environment}
    variables = {**passed_on(environment), **forwarded, **own, OWNER: owner}
    command = values.of(transport.command)
    argv = (command, *(values.of(argument) for argument in transport.args))
    _refuse_unsendable(argv, variables)
    return Launch(
        argv=(find_command(command, variables.get("PATH", os.defpath), directory), *argv[1:]),
        environment=variables,
        directory=directory,
        missing=tuple(name for name in transport.forward if name not in environment),
        secrets=(*values.secrets, *forwarded.values()),
    )


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What every child gets of our environment. A value that a shell would take for a function is left out."""
    return {
        name: value
        for name, value in environment.items()
        if (name in PASSED_ON or name.startswith("LC_")) and not value.startswith("()")
    }


class _Values:
    """Resolves templates and remembers which values are secrets."""

    def __init__(self, resolve: Resolve, workspace: str) -> None:
        self._resolve = resolve
        self._workspace = workspace
        self.secrets: list[str] = []

    def of(self, template: Template, *, secret: bool = False) -> str:
        """The text; with `secret` its literal counts as one too."""
        text = template.resolve(self._look_up)
        if secret:
            self.secrets.append(text)
        return text

    def _look_up(self, reference: SecretRef) -> str:
        if reference.scheme == "workspaceFolder":
            return self._workspace
        value = self._resolve(reference)
        self.secrets.append(value)
        return value


def _refuse_unsendable(argv: tuple[str, ...], variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise SessionError(f"The variable {name!r} cannot be set.", terminal=True, code="bad-environment")
    if not argv[0] or any("\0" in argument for argument in argv):
        raise SessionError("The command is empty or holds a NUL character.", terminal=True, code="bad-command")


def find_command(command: str, path: str, directory: str) -> str:
    """The file behind a command: beside `directory` when it has a slash, else in `path`. Never a shell's word."""
    beside = "/" in command
    folders = [""] if beside else [folder for folder in path.split(os.pathsep) if folder]
    candidates = [str(Path(directory, folder, command)) for folder in folders]
    for candidate in candidates:
        if shutil.which(candidate):
            return candidate
    for candidate in candidates:
        if os.path.exists(candidate):  # noqa: PTH110 a folder that we may not enter is no error here
            raise SessionError(f"{candidate} is not an executable file.", terminal=True, code="not-executable")
    in_path = f'"{command}" was not found in PATH; install it, or write its full path.'
    what = f"The file {candidates[0]} was not found." if beside else in_path
    raise SessionError(what, terminal=True, code="command-not-found")
