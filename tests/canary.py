"""A marked secret for every secret field, and the watch that it never comes out again. A pytest plugin.

After each test, what it printed, what it logged, what its processes printed and every file under its `tmp_path` are
searched for the marked secret in seven encodings. A hit fails the test and names the place. Files that are the test's
own input are left out by name (`INPUTS`), others with `@pytest.mark.canary_inputs("*.py", "stdout")`.
"""

import base64
import copy
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import click.testing
import pytest

from reconciler.model.document import SECRET_PATHS

CANARY = "cnry~~~Zq7/x9Wv+2mKr4Td"
"""Fit for YAML, JSON, a header and a variable as it is; yet URL encoding, base64 and JSON escapes all change it."""

VARIABLE = "CANARY_TOKEN"
"""An environment variable that holds the marked secret while the suite runs: for `${env:CANARY_TOKEN}`."""

INPUTS = ("*.yaml", "*.yml", ".env", "*.env", ".mcp.json", "mcp.json", "reconciler.json", "*.reconciler.json")
"""Names of files in which a person may have written a secret."""

_URL = "https://canary.invalid/mcp"
_SERVERS: Mapping[str, Mapping[str, Any]] = {
    "env": {"command": "canary-server"},
    "headers": {"url": _URL},
    "oauth": {"url": _URL, "oauth": {"clientId": "client"}},
    "azure": {"url": _URL, "azure": {"tenantId": "tenant", "clientId": "client", "scope": "api://canary/.default"}},
}


def canary_written() -> dict[str, Any]:
    """A written document with one server for every secret field of the model, each holding the marked secret."""
    return {"version": 1, "mcpServers": {_name(shape): _server(shape) for shape in SECRET_PATHS}}


def _name(shape: tuple[str, ...]) -> str:
    return "-".join(word for word in shape if word != "*")


def _server(shape: tuple[str, ...]) -> dict[str, Any]:
    server = copy.deepcopy(dict(_SERVERS[shape[0]]))
    *above, last = ("TOKEN" if word == "*" else word for word in shape)
    field = server
    for word in above:
        field = field.setdefault(word, {})
    field[last] = CANARY
    return server


def _base64_forms(secret: bytes, encode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """What is the same of `secret` in base64 wherever it stands inside a longer text: one form per alignment."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        yield encode(b"\0" * before + secret)[first:last]


def _encodings(secret: str) -> dict[str, frozenset[bytes]]:
    raw = secret.encode()
    quoted = quote(secret, safe="")
    return {
        "raw": frozenset({raw}),
        "base64": frozenset(_base64_forms(raw, base64.b64encode)),
        "base64url": frozenset(_base64_forms(raw, base64.urlsafe_b64encode)),
        "hex": frozenset({raw.hex().encode(), raw.hex().upper().encode()}),
        "URL-encoded": frozenset({quoted.encode(), quoted.lower().encode(), quote(secret).encode()}),
        "JSON-escaped": frozenset({secret.replace("/", "\\/").encode(), _unicode_escaped(secret)}),
        "reversed": frozenset({raw[::-1]}),
    }


def _unicode_escaped(secret: str) -> bytes:
    return "".join(letter if letter.isalnum() else f"\\u{ord(letter):04x}" for letter in secret).encode()


ENCODINGS = _encodings(CANARY)


def encodings_in(data: bytes | str) -> list[str]:
    """The encodings in which `data` holds the marked secret."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return [name for name, forms in ENCODINGS.items() if any(form in raw for form in forms)]


class Watch:
    """Hears what a test puts out, and searches it when the test is over."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes | str]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self.heard = []
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report = yield
        if report.when == "teardown" and (places := self.places(item, report)):
            report.outcome = "failed"
            report.longrepr = "\n".join(
                [f"The marked secret came out: {'; '.join(places)}", str(report.longrepr or "")]
            )
        return report

    def places(self, item: pytest.Item, report: pytest.TestReport) -> list[str]:
        """Where the marked secret came out, for a person to read; the places do not hold it themselves."""
        own = [*INPUTS, *(name for mark in item.iter_markers("canary_inputs") for name in mark.args)]
        captured = [(title.removeprefix("Captured ").split()[0], text) for title, text in report.sections]
        spoken = [each for each in (*captured, *self.heard) if each[0] not in own]
        found = [*spoken, *_files((getattr(item, "funcargs", None) or {}).get("tmp_path"), own)]
        return sorted({f"{place}: {', '.join(seen)}" for place, data in found if (seen := encodings_in(data))})

    def hear(self, stdout: bytes | str | None, stderr: bytes | str | None) -> None:
        self.heard += [(name, data) for name, data in (("stdout", stdout), ("stderr", stderr)) if data]


def _files(folder: Path | None, own: list[str]) -> Iterator[tuple[str, bytes]]:
    if folder is None:
        return
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink() and not any(fnmatch(path.name, pattern) for pattern in own):
                yield f"file {path.relative_to(folder)}", path.read_bytes()


def _listen(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """Hear also what a test takes for itself: its processes' output, the command line's, and what capsys read."""
    communicate, invoke = subprocess.Popen.communicate, click.testing.CliRunner.invoke
    read, run = pytest.CaptureFixture.readouterr, anyio.run_process

    def heard_communicate(process: Any, *args: Any, **kwargs: Any) -> Any:
        result = communicate(process, *args, **kwargs)
        watch.hear(*result)
        return result

    def heard_read(capture: Any) -> Any:
        result = read(capture)
        watch.hear(*result)
        return result

    def heard_invoke(runner: Any, *args: Any, **kwargs: Any) -> Any:
        result = invoke(runner, *args, **kwargs)
        watch.hear(result.stdout, result.stderr)
        return result

    async def heard_run(*args: Any, **kwargs: Any) -> Any:
        result = await run(*args, **kwargs)
        watch.hear(result.stdout, result.stderr)
        return result

    patch.setattr(subprocess.Popen, "communicate", heard_communicate)
    patch.setattr(pytest.CaptureFixture, "readouterr", heard_read)
    patch.setattr(click.testing.CliRunner, "invoke", heard_invoke)
    patch.setattr(anyio, "run_process", heard_run)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "canary_inputs(*names): files and streams that may hold the marked secret")
    watch, patch = Watch(), pytest.MonkeyPatch()
    patch.setenv(VARIABLE, CANARY)
    _listen(watch, patch)
    config.pluginmanager.register(watch, "canary-watch")
    config.add_cleanup(patch.undo)


@pytest.fixture
def canary_document() -> dict[str, Any]:
    """The written document with the marked secret in every secret field."""
    return canary_written()


@pytest.fixture
def canary_file(tmp_path: Path, canary_document: dict[str, Any]) -> Path:
    """The same as a file, `reconciler.yaml` in the test's directory."""
    path = tmp_path / "reconciler.yaml"
    path.write_text(json.dumps(canary_document, indent=2), encoding="utf-8")
    return path
