"""Where references get their values: the env file, the engine's environment, and what a caller offered.

Also the text that must not be shown: every value that was handed out, and every literal that counts as a secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.model.document import Document, masked_fields
from reconciler.model.secret import HIDDEN, SECRET_NAME, SecretRef
from reconciler.sessions.session import Resolve, Unresolved
from reconciler.store.env_file import read_env_file
from reconciler.store.vault import VaultError
from reconciler.store.vault_keys import NEW_VARIABLE, VARIABLE

_LARGEST_FILE = 64 * 1024
_OURS = frozenset({VARIABLE, NEW_VARIABLE})
_SHORTEST_SECRET = 8  # hiding shorter values would make logs unreadable and hide little


class Environment:
    """The values a project's references stand for. `folder` is the directory of its file, `stored` looks into its
    vault.
    """

    def __init__(self, folder: Path, stored: Callable[[str], str | None]) -> None:
        self.folder = folder
        self._stored = stored
        self.held: Callable[[], Iterable[str]] = tuple
        """Secrets of this moment that are nobody's reference: the tokens of sign-ins."""
        self._offered: dict[str, str] = {}
        self._handed_out: set[str] = set()
        self._used: dict[str, dict[SecretRef, str | None]] = {}

    def offer(self, values: Mapping[str, str]) -> None:
        """Keep what a caller's environment holds for names the file mentions; in memory only."""
        self._offered.update(values)

    def apart(self, secrets: Mapping[str, str]) -> Environment:
        """The same for a server that is only tried: `secrets` are as if they were stored, and what it gets is
        remembered there alone."""

        def stored(name: str) -> str | None:
            return secrets[name] if name in secrets else self._stored(name)

        made = Environment(self.folder, stored)
        made.held, made._offered = self.held, self._offered
        return made

    def resolver(self, document: Document, server_id: str) -> Resolve:
        """Look-ups for one start of a server; raises Unresolved saying where was looked. What it got is remembered."""
        used = self._used[server_id] = {}
        if server_id in document.servers:
            masked_fields(document.facts(server_id), self._remember)

        def resolve(reference: SecretRef) -> str:
            used[reference] = None
            value = used[reference] = self._value(reference, document.written.get("envFile"))
            if reference.scheme != "workspaceFolder":
                self._remember(value)
            return value

        return resolve

    def forwarding(self, names: Iterable[str], resolve: Resolve) -> dict[str, str]:
        """The engine's environment, with `names` as a reference to them would have them; unset ones stay unset."""
        values = {name: value for name, value in os.environ.items() if name not in _OURS}
        for name in names:
            with suppress(Unresolved):
                values[name] = resolve(SecretRef("env", name))
        return values

    def outdated(self, document: Document, server_id: str) -> str | None:
        """Why the server would be started with other values now than it was; None where it would not."""
        file, used = document.written.get("envFile"), self._used.get(server_id, {})
        differ = [reference for reference, value in used.items() if self._now(reference, file) != value]
        kinds = {
            "its environment changed": [each.name for each in differ if each.scheme != "secret"],
            "its stored secret changed": [each.name for each in differ if each.scheme == "secret"],
        }
        return "; ".join(f"{why}: {', '.join(names)}" for why, names in kinds.items() if names) or None

    def behind(self, document: Document) -> dict[str, list[str]]:
        """The servers that were started without the newest value of a stored secret, each with the names of these."""
        found: dict[str, list[str]] = {}
        for server_id in document.servers.keys() & self._used.keys():
            for reference, value in self._used[server_id].items():
                if reference.scheme == "secret" and self._now(reference, None) not in (None, value):
                    found.setdefault(server_id, []).append(reference.name)
        return found

    def forget(self, server_id: str) -> None:
        """The server is gone. What it was given stays hidden: its log and what was said of it may still have it."""
        self._used.pop(server_id, None)

    def has(self, document: Document, reference: SecretRef) -> bool:
        """Whether the reference has a value now."""
        return self._now(reference, document.written.get("envFile")) is not None

    def _now(self, reference: SecretRef, env_file: str | None) -> str | None:
        try:
            return self._value(reference, env_file)
        except Unresolved:
            return None

    def _remember(self, value: str) -> str:
        """The whole value, and each line of it: a key of many lines is printed line by line. A Fingerprint."""
        self._handed_out |= {text for text in (value, *value.splitlines()) if len(text) >= _SHORTEST_SECRET}
        return HIDDEN

    def hide(self, text: str) -> str:
        """`text` without any value that was handed out, and without the secrets written out for what was started."""
        if not text:  # as most reasons are; a status has thousands of them
            return text
        held = {value for value in self.held() if len(value) >= _SHORTEST_SECRET}
        for value in sorted(self._handed_out | held, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text

    def _value(self, reference: SecretRef, env_file: str | None) -> str:
        match reference.scheme:
            case "workspaceFolder":
                return str(self.folder)
            case "file":
                return self._file(reference.name)
            case "secret":
                return self._secret(reference.name)
            case "env":
                return self._variable(reference, env_file)

    def _secret(self, name: str) -> str:
        try:
            value = self._stored(name) if SECRET_NAME.fullmatch(name) else None
        except VaultError as error:
            raise Unresolved(f'the secret "{name}" cannot be opened: {error}; {error.hint}') from error
        except OSError as error:
            raise Unresolved(f'the secret "{name}" cannot be read: {_why(error)}') from error
        if value is None:
            raise Unresolved(f'no secret named "{name}" is stored; `reconciler secret set {name}`')
        return value

    def _variable(self, reference: SecretRef, env_file: str | None) -> str:
        name = reference.name
        if name in _OURS:
            raise Unresolved(f"{name} opens the vault: no server gets it")
        for values in (self._from_file(env_file), os.environ, self._offered):
            value = values.get(name)
            if value is not None and (value or reference.default is None):
                return value
        if reference.default is not None:
            return reference.default
        looked = [env_file] if env_file else []
        places = ", ".join([*looked, "the engine's environment", "the environment of the command that applied"])
        raise Unresolved(f"{name} is not set; looked in {places}")

    def _from_file(self, env_file: str | None) -> Mapping[str, str]:
        if env_file is None:
            return {}
        try:
            return read_env_file(self.folder / env_file)
        except (OSError, ValueError) as error:
            raise Unresolved(f"envFile {env_file} cannot be read: {_why(error)}") from error

    def _file(self, name: str) -> str:
        try:
            with (self.folder / Path(name).expanduser()).open("rb") as file:
                data = file.read(_LARGEST_FILE + 1)
            if len(data) > _LARGEST_FILE:
                raise Unresolved(f"{name} has more than {_LARGEST_FILE // 1024} KiB")
            return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError, RuntimeError) as error:
            raise Unresolved(f"{name} cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    """The reason without the bytes that a decoding error would quote."""
    return "it is not UTF-8" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or str(error)
