"""The page as people have it: a real engine that follows a real file, and Debian's chromium in front of it.

The tests are sync: playwright's loop would stand in the way of another.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from reconciler.client import Client
from reconciler.faces.cli.main import run
from reconciler.faces.cli.reach import connect
from reconciler.store.state_dir import state_dir_of
from tests.rig.starting import processes_owned_by

CHROMIUM = "chromium"
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", Path(__file__).parents[3] / "build" / "screenshots"))
PATIENCE = 20_000
"""Milliseconds that the browser waits for what is to come: a small machine may be busy."""

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NOT_A_COMPLAINT = "Failed to load resource"  # chromium's word for any answer of 400 and above
_LISTEN_FOR_REPORTS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a fresh profile."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Engine:
    """An engine that follows `folder`/reconciler.yaml and says yes to everything in it."""

    folder: Path
    project: str = "page"

    @property
    def file(self) -> Path:
        return self.folder / "reconciler.yaml"

    @property
    def client(self) -> Client:
        """The owner's way in."""
        found = connect(state_dir_of(self.file, self.project, self.folder / "state"))
        assert found is not None, "the engine is gone"
        return found

    def write(self, servers: Mapping[str, Any], **settings: Any) -> None:
        """Save the file as an editor does: whole, over the old one."""
        saved = self.file.with_suffix(".new")
        document = {"version": 1, "project": self.project, **settings, "mcpServers": servers}
        saved.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        saved.replace(self.file)

    def run(self, command: str, *arguments: str) -> str:
        """A command of ours; what it prints. AssertionError where it fails."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(self.words(command, *arguments))
        assert code == 0, f"{command} ended with {code}: {out.getvalue()}{err.getvalue()}"
        return out.getvalue()

    def words(self, command: str, *arguments: str) -> list[str]:
        """What stands after `reconciler`."""
        return [command, "-f", str(self.file), "--state-dir", str(self.folder / "state"), *arguments]

    def link(self) -> str:
        """A link that lets in once."""
        return self.run("open", "--print").strip()


@contextmanager
def engine(folder: Path, servers: Mapping[str, Any], *arguments: str, **settings: Any) -> Iterator[Engine]:
    """An engine on a free port; returns when its servers settled. Ended with everything it started.

    `arguments` are further ones of `watch`; `auto_approve=False` leaves what needs a yes waiting.
    """
    running = Engine(folder)
    yes = ["--auto-approve"] if settings.pop("auto_approve", True) else []
    running.write(servers, **settings)
    words = running.words("watch", "--detach", "--listen", "127.0.0.1:0", *yes, *arguments)
    subprocess.run([sys.executable, "-m", "reconciler", *words], check=True, capture_output=True, timeout=60)
    try:
        yield running
    finally:
        running.run("stop")
        left = [pid for state in (folder / "state").glob("*") for pid in processes_owned_by(state.name)]
        assert left == [], "the engine left processes behind"


@dataclass
class Seat:
    """A browser that came in. `complaints` has what no test of ours may cause: errors in its console, reports of the
    content security policy, dialogs that a script opened."""

    engine: Engine
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The address of the engine, without a slash at its end."""
        parts = urlsplit(self.page.url)
        return f"{parts.scheme}://{parts.netloc}"

    def go(self, below: str = "") -> Page:
        """Open a view, by its path below /ui/."""
        self.page.goto(f"{self.base}/ui/{below}")
        return self.page

    def shoot(self, name: str) -> None:
        """Keep what is seen now, as a picture."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


class Browsing:
    """Gives tests engines and browsers; each is ended with the test, and none may have complained."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self._folder = folder
        self._ends = ExitStack()
        self._seats: list[Seat] = []

    def start(self, servers: Mapping[str, Any], *arguments: str, **settings: Any) -> Engine:
        """A further engine, in a folder of its own."""
        folder = self._folder / f"engine{len(list(self._folder.glob('engine*')))}"
        folder.mkdir()
        return self._ends.enter_context(engine(folder, servers, *arguments, **settings))

    def sit(self, engine: Engine, **options: Any) -> Seat:
        """A browser that came in by a link. `options` are those of a playwright context: `color_scheme`, `viewport`,
        `java_script_enabled`, `bypass_csp`."""
        context = self._ends.enter_context(self.browser.new_context(**options))
        context.set_default_timeout(PATIENCE)
        context.add_init_script(_LISTEN_FOR_REPORTS)
        seat = Seat(engine, context, context.new_page())
        context.on("console", lambda message: _hear(seat, message))
        context.on("weberror", lambda error: seat.complaints.append(f"error: {error.error}"))
        context.on("dialog", lambda dialog: _dismiss(seat, dialog))
        self._seats.append(seat)
        seat.page.goto(engine.link())
        seat.page.wait_for_url("**/ui/")
        return seat

    def __call__(self, servers: Mapping[str, Any], *arguments: str, **settings: Any) -> Seat:
        """An engine with these servers, and a browser that came in to it."""
        return self.sit(self.start(servers, *arguments, **settings))

    def end(self) -> None:
        """End all of it. AssertionError where a browser complained."""
        self._ends.close()
        complaints = [complaint for seat in self._seats for complaint in seat.complaints]
        assert complaints == [], complaints


def _hear(seat: Seat, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning") and not message.text.startswith(_NOT_A_COMPLAINT):
        seat.complaints.append(f"console: {message.text}")


def _dismiss(seat: Seat, dialog: Dialog) -> None:
    seat.complaints.append(f"dialog: {dialog.message}")
    dialog.dismiss()


def mistakes(page: Page) -> list[str]:
    """What axe finds wrong with what is shown now; one line per mistake and element. Only for a seat with `bypass_csp`:
    our content security policy keeps it out."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {' '.join(node['target'])} {node['html']}" for each in found for node in each["nodes"]]
