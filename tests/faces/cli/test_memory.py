"""What an engine keeps of requests that came to nothing."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.faces.cli.desk import Desk
from tests.needs import PEAK_OF_MEMORY
from tests.requirements import requirement

REQUESTS = 3000
"""Each leaves some forty objects in cycles."""
KEPT_MIB = 12.0
"""Measured 2; 23 where nobody looks for cycles."""


@requirement("GATE-1:connections")
@pytest.mark.needs(PEAK_OF_MEMORY)
def test_requests_that_break_off_leave_nothing(desk: Desk) -> None:
    with desk.applied({}):
        engine = json.loads(desk.run("status", "-o", "json").out)["engine"]
        token = desk.run("token", "create", "--role", "client").out.split()[-1]
        host, _, port = engine["url"].rpartition("://")[2].rpartition(":")
        fields = f"host: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json"
        request = f"POST /mcp HTTP/1.1\r\n{fields}\r\ncontent-length: 5000\r\n\r\n{'x' * 2500}".encode()
        before = _resident_mib(engine["pid"])
        for _ in range(REQUESTS):
            with socket.create_connection((host, int(port))) as one:
                one.sendall(request)
        assert desk.run("status").exit == 0
        assert _resident_mib(engine["pid"]) - before < KEPT_MIB


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
