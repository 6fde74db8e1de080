"""Where an engine that a command starts is to listen, under which names, and whether it may change files.

Checked before anything is started.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.faces.cli.context import Options
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.http.address import Address, is_host_name, read_address, read_host

Command = TypeVar("Command", bound=Callable[..., Any])

NOWHERE = "none"


@dataclass(frozen=True, slots=True)
class Listening:
    """What was said about listening. `listen` None: the default address, or a free port where that is taken.

    `read_only`: whoever comes in changes no file of ours.
    """

    listen: str | None = None
    public_url: str | None = None
    hosts: tuple[str, ...] = ()
    insecure_ok: bool = False
    certificate: Path | None = None
    key: Path | None = None
    read_only: bool = False
    on_command_line: bool = False

    def __post_init__(self) -> None:
        """Raises Stop for what cannot be meant."""
        address = self.address
        if (self.certificate is None) != (self.key is None):
            raise _usage("--tls-cert and --tls-key go together", "name both files")
        if address and not address.is_loopback and not self.insecure_ok and not self.certificate:
            message = f"{address.host} can be reached from other machines, and the tokens would travel in the open"
            raise _usage(message, "--tls-cert and --tls-key encrypt, --listen-insecure-ok does without")
        for host in self.hosts:
            if not is_host_name(host):
                raise _usage(f'--allow-host "{host}" is not a name', "as in --allow-host box.example.com, without port")
        if self.public_url is not None:
            _check_url(self.public_url)

    @property
    def is_off(self) -> bool:
        """Whether there is to be no listener but the local socket."""
        return self.listen == NOWHERE

    @property
    def address(self) -> Address | None:
        """The address that was named; None where none was. Raises Stop."""
        if self.listen is None or self.is_off:
            return None
        try:
            return read_address(self.listen)
        except ValueError as error:
            raise _usage(f"--listen: {error}", "as in --listen 127.0.0.1:7717, or --listen none") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Under which names it may be called besides the usual ones: those that were added, and the address itself."""
        return (*self.hosts, self.address.name) if self.address else self.hosts

    @property
    def arguments(self) -> list[str]:
        """The same for another command line."""
        given: tuple[tuple[str, str | None], ...] = (
            ("--listen", self.listen),
            ("--public-url", self.public_url),
            *(("--allow-host", host) for host in self.hosts),
            ("--tls-cert", _absolute(self.certificate)),
            ("--tls-key", _absolute(self.key)),
        )
        words = [word for option, value in given if value is not None for word in (option, value)]
        flags = (("--listen-insecure-ok", self.insecure_ok), ("--read-only", self.read_only))
        return [*words, *(flag for flag, said in flags if said)]


def _absolute(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None


def _check_url(url: str) -> None:
    scheme, _, authority = url.removesuffix("/").partition("://")
    if scheme not in ("http", "https") or read_host(authority) is None:
        raise _usage(f'--public-url "{url}" is not an address', "as in --public-url https://mcp.example.com")


def _usage(message: str, hint: str) -> Stop:
    return Stop(Exit.USAGE, "usage", message, hint)


def with_listening(command: Command) -> Command:
    """Give a command that may start an engine the options for its listener, as the argument after the shared ones."""

    @functools.wraps(command)
    def called(
        options: Options,
        listen: str | None,
        public_url: str | None,
        allow_host: tuple[str, ...],
        listen_insecure_ok: bool,
        tls_cert: Path | None,
        tls_key: Path | None,
        read_only: bool,
        **others: Any,
    ) -> Any:
        source = click.get_current_context().get_parameter_source
        typed = any(source(name) is ParameterSource.COMMANDLINE for name in _NAMES)
        said = Listening(listen, public_url, allow_host, listen_insecure_ok, tls_cert, tls_key, read_only, typed)
        return command(options, said, **others)

    for option in reversed(_OPTIONS):
        called = option(called)
    return called  # type: ignore[return-value]  # click gives the same callable back


_NAMES = ("listen", "public_url", "allow_host", "listen_insecure_ok", "tls_cert", "tls_key")
_FILE = click.Path(path_type=Path)
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--listen",
        metavar="HOST:PORT|none",
        envvar="RECONCILER_LISTEN",
        help="Where the engine listens; 127.0.0.1:7717 if free. [RECONCILER_LISTEN]",
    ),
    click.option(
        "--public-url", metavar="URL", envvar="RECONCILER_PUBLIC_URL", help="How it is reached. [RECONCILER_PUBLIC_URL]"
    ),
    click.option(
        "--allow-host",
        metavar="NAME",
        multiple=True,
        envvar="RECONCILER_ALLOW_HOST",
        help="One more name it may be called by. [RECONCILER_ALLOW_HOST]",
    ),
    click.option("--listen-insecure-ok", is_flag=True, help="Listen for other machines without TLS."),
    click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain, PEM."),
    click.option("--tls-key", type=_FILE, metavar="FILE", help="Its key, PEM."),
    click.option(
        "--read-only",
        is_flag=True,
        envvar="RECONCILER_READ_ONLY",
        help="Change no file: answer with the patch to commit. [RECONCILER_READ_ONLY]",
    ),
)
