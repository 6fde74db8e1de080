"""Real servers from the package indexes: the short campaign. The long one is `scripts/real-servers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.campaign import campaign
from tests.real.servers import REAL
from tests.requirements import requirement


@pytest.mark.long
@pytest.mark.needs("npx", "uvx", "git")
@requirement("CFG-3:stdio", "LIVE-1:both-eras", "LIVE-1:tools-listed", "LIVE-2:no-orphans")
def test_real_servers_connect_answer_come_back_and_leave_nothing(tmp_path: Path) -> None:
    short = [real for real in REAL if real.short]
    assert {real.era for real in short} == {"handshake", "stateless"}
    assert campaign(short, tmp_path).wrong == []
