"""A desk for every test of the command line."""

from pathlib import Path

import pytest

from tests.faces.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An empty directory that a person stands in, with a home and a state of its own."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECONCILER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RECONCILER_LISTEN", "127.0.0.1:0")  # the usual port is for the engine of whoever runs this
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.delenv("RECONCILER_FILE", raising=False)
    monkeypatch.delenv("RECONCILER_DEBUG", raising=False)
    return Desk(folder, capsys)
