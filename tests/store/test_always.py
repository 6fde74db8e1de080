"""What is allowed for always on this machine: kept as it was said, and nothing else is believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.store.always import Always, read_always, write_always
from tests.requirements import requirement

pytestmark = requirement("GATE-2:grants")
ROW = Always("a", "echo", "sha256:1", "sha256:2", "me", "2026-11-21T04:00:00.000Z")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "always.json"
    assert read_always(path) == []
    write_always(path, [ROW])
    assert read_always(path) == [ROW]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "other", "tools": []}', '{"format": "reconciler.always", "tools": [{"server": "a"}]}'],
)
def test_what_is_not_ours_is_no_yes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "always.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"."):
        read_always(path)


def test_an_unknown_field_is_no_yes(tmp_path: Path) -> None:
    path = tmp_path / "always.json"
    write_always(path, [ROW])
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["tools"][0]["everything"] = True
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ValueError, match="everything"):
        read_always(path)
