"""Clients that others wrote: the short campaign. The long one is `scripts/real-clients`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.clients import CLIENTS
from tests.real.clients_campaign import SHORT, campaign
from tests.requirements import requirement


@pytest.mark.long
@pytest.mark.needs("npm", "npx")
@requirement("GATE-1:real-clients", "GATE-1:questions")
def test_clients_of_others_list_call_and_are_asked_over_http_and_through_the_bridge(tmp_path: Path) -> None:
    short = [client for client in CLIENTS if client.short]
    assert {client.through for client in short} == {"HTTP", "bridge"}
    assert [words for row in campaign(short, SHORT, tmp_path) for words in row.wrong] == []
