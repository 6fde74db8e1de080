"""A marked secret for every secret field, and the watch that it never comes out again. A pytest plugin.

For each test, what it printed, what it logged, what its processes printed, what our listeners answered, the command
lines of its processes, its databases before they closed, what we wrote down of our own bugs, and every file under its
`tmp_path` are searched for the marked secret: as it is, in part, split over lines, and in seven encodings. A hit fails
the test and names the place. Files that are the test's own input are left out by name (`INPUTS`), others, and whole
kinds of output, with `@pytest.mark.canary_inputs("*.py", "stdout", "http")`.
"""

import base64
import copy
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reconciler.model.document import SECRET_PATHS
from tests.canary_ears import listen

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
        "JSON-escaped": frozenset({secret.replace("/", "\\/").encode(), *_unicode_escaped(secret)}),
        "HTML-escaped": frozenset(_html_escaped(secret)),
        "reversed": frozenset({raw[::-1]}),
    }


def _unicode_escaped(secret: str) -> Iterator[bytes]:
    for form in ("\\u{:04x}", "\\u{:04X}"):
        for kept in (str.isalnum, lambda letter: letter not in "/+", lambda _: False):
            yield "".join(letter if kept(letter) else form.format(ord(letter)) for letter in secret).encode()


def _html_escaped(secret: str) -> Iterator[bytes]:
    for form in ("&#{};", "&#x{:x};", "&#x{:X};"):
        for escaped in ("/", "+", "/+", "".join(letter for letter in secret if not letter.isalnum()), secret):
            yield "".join(form.format(ord(letter)) if letter in escaped else letter for letter in secret).encode()


ENCODINGS = _encodings(CANARY)
SHORTEST_PART = 8
"""Letters of the secret, one after the other, that are too many."""
_PARTS = frozenset(CANARY[at : at + SHORTEST_PART].encode() for at in range(len(CANARY) - SHORTEST_PART + 1))
_LINE_END = re.compile(rb"\\?\r?\n[ \t]*")
_TRACE_LENGTH = 5


def _traces(texts: frozenset[bytes]) -> Iterator[bytes]:
    """A few short texts: each of `texts` has one of them in it, and most other data has none."""
    inside = {text: {text[at : at + _TRACE_LENGTH] for at in range(len(text) - _TRACE_LENGTH + 1)} for text in texts}
    while inside:
        counts = Counter(trace for traces in inside.values() for trace in traces)
        found = max(sorted(counts), key=lambda trace: counts[trace])
        inside = {text: traces for text, traces in inside.items() if found not in traces}
        yield found


_TRACES = tuple(_traces(_PARTS.union(*ENCODINGS.values())))


def encodings_in(data: bytes | str) -> list[str]:
    """The encodings in which `data` holds the marked secret; also `split over lines` and `in part`."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data)
    joined = _joined(raw)
    if not any(trace in joined for trace in _TRACES):
        return []
    if found := _whole_in(raw):
        return found
    if b"\n" in raw and _whole_in(_LINE_END.sub(b"", raw)):
        return ["split over lines"]
    return ["in part"] if any(part in raw for part in _PARTS) else []


def _joined(raw: bytes) -> bytes:
    """Without its line ends, much faster than by `_LINE_END`; no form begins or ends with what else may be missing."""
    if b"\n" not in raw:
        return raw
    first, *others = raw.split(b"\n")
    lines = (first, *(line.lstrip(b" \t") for line in others))
    return b"".join(line.removesuffix(b"\r").removesuffix(b"\\") for line in lines)


def _whole_in(raw: bytes) -> list[str]:
    return [name for name, forms in ENCODINGS.items() if any(form in raw for form in forms)]


class Watch:
    """Searches what a test puts out as it is heard, and what it left behind when it is over."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.begun: Callable[[], None] = lambda: None
        self.looked: Callable[[], None] = lambda: None
        self._reports: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self.begun()
        self.found = []
        self._reports = _bug_reports()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call":
            self.looked()
        if report.when == "teardown" and (places := self.places(item, report)):
            report.outcome = "failed"
            report.longrepr = "\n".join(
                [f"The marked secret came out: {'; '.join(places)}", str(report.longrepr or "")]
            )
        return report

    def places(self, item: pytest.Item, report: pytest.TestReport) -> list[str]:
        """Where the marked secret came out, for a person to read; the places do not hold it themselves."""
        for title, text in report.sections:
            self.hear(title.removeprefix("Captured ").split()[0], text)
        for report_of_bug in sorted(_bug_reports() - self._reports):
            self.hear("bug-report", Path(report_of_bug).read_bytes(), "what is written down of a bug")
        own = [*INPUTS, *(name for mark in item.iter_markers("canary_inputs") for name in mark.args)]
        for place, path in _files((getattr(item, "funcargs", None) or {}).get("tmp_path")):
            if not any(fnmatch(path.name, pattern) for pattern in own):
                self.hear("file", path.read_bytes(), f"file {place}")
        return sorted({text for kind, text in self.found if kind == "file" or not _is_one_of(kind, own)})

    def hear(self, kind: str, data: bytes | str | None, place: str | None = None) -> None:
        """Search it. `kind` is a stream (stdout, stderr, log, http, argument) or a name of a file."""
        if data and (seen := encodings_in(data)):
            self.found.append((kind, f"{place or kind}: {', '.join(seen)}"))


def _is_one_of(kind: str, own: list[str]) -> bool:
    return any(fnmatch(kind, pattern) for pattern in own)


def _bug_reports() -> set[str]:
    """What the command line wrote down of its own bugs where it had no state directory."""
    return {str(path) for path in Path(tempfile.gettempdir()).glob("reconciler-bug-*")}


def _files(folder: Path | None) -> Iterator[tuple[Path, Path]]:
    if folder is None:
        return
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder), path


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "canary_inputs(*names): files and streams that may hold the marked secret")
    watch, patch = Watch(), pytest.MonkeyPatch()
    patch.setenv(VARIABLE, CANARY)
    lines = listen(watch, patch)
    watch.begun, watch.looked = lines.start, lines.look
    config.pluginmanager.register(watch, "canary-watch")
    config.add_cleanup(patch.undo)
    config.add_cleanup(lines.stop)


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
