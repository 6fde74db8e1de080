"""What every command is given: the shared options, and where they lead: the files, the state directory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.paint import Painter, standard_painters
from reconciler.store.home import home
from reconciler.store.places import FILE_NAME, Sources, find_file
from reconciler.store.state_dir import StateDir, base_directory, state_dir_of

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Options:
    """The shared options of one call. `paint` is for standard output, `paint_talk` for standard error."""

    files: tuple[Path, ...]
    state_dir: Path | None
    project: str | None
    output: str
    paint: Painter
    paint_talk: Painter

    @property
    def json(self) -> bool:
        """Whether standard output is to be JSON."""
        return self.output == "json"

    @property
    def base(self) -> Path:
        """The directory with one folder of state per project."""
        return base_directory(self.state_dir)

    def sources(self) -> Sources | None:
        """The files that -f names, else those in reach; None when there are none."""
        root = Path.cwd()
        if self.files:
            main, *overlays = (path.absolute() for path in self.files)
            return Sources(main, tuple(overlays), root)
        found = find_file(root, home())
        return Sources(found, (), root) if found else None

    def needed_sources(self) -> Sources:
        """The same where a file is needed. Raises Stop that says where was looked."""
        found = self.sources()
        if found is None:
            looked = f"in {Path.cwd()} and above it up to the root of the checkout, and in ~/.config/reconciler"
            raise Stop(
                Exit.INVALID,
                "no-configuration",
                f"no {FILE_NAME} was found; looked {looked}",
                "`reconciler init` writes one, `-f FILE` or RECONCILER_FILE names another",
            )
        return found

    def state(self, sources: Sources) -> StateDir:
        """Where the state of a project is, whether it exists or not."""
        return state_dir_of(sources.main, sources.project, self.base)


def shared(*formats: str, project: bool = False) -> Callable[[Command], Command]:
    """Give a command the shared options, as one argument `options`. `formats` are what -o may be besides text."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def called(
            files: tuple[Path, ...],
            state_dir: Path | None,
            no_color: bool,
            ascii_only: bool,
            output: str = "text",
            project: str | None = None,
            **others: Any,
        ) -> Any:
            painters = standard_painters(no_colour=no_color, ascii_only=ascii_only)
            return function(Options(files, state_dir, project, output, *painters), **others)

        for option in reversed(_options(formats, project)):
            called = option(called)
        return called  # type: ignore[return-value]  # click gives the same callable back

    return decorate


def _options(formats: tuple[str, ...], project: bool) -> list[Callable[[Any], Any]]:
    path = click.Path(path_type=Path)
    options = [
        click.option(
            "-f",
            "--file",
            "files",
            type=path,
            multiple=True,
            envvar="RECONCILER_FILE",
            help="The file; further ones are overlays. [RECONCILER_FILE]",
        ),
        click.option(
            "--state-dir", type=path, envvar="RECONCILER_STATE_DIR", help="Where state is kept. [RECONCILER_STATE_DIR]"
        ),
    ]
    if project:
        options.append(click.option("-p", "--project", metavar="NAME", help="The project of a running engine."))
    if formats:
        kinds = click.Choice(["text", *formats])
        options.append(click.option("-o", "--output", type=kinds, default="text", help="What to print."))
    return [
        *options,
        click.option("--no-color", is_flag=True, help="No colour. [NO_COLOR]"),
        click.option("--ascii", "ascii_only", is_flag=True, help="Keep to ASCII."),
    ]
