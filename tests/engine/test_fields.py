"""What a change of each field does to a live server: which opens another session, and which leaves it as it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.written import SERVER_FIELDS, effect_of
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement
from tests.rig.evil_http import EvilHttp, mcp

pytestmark = [requirement("APPLY-1:only-what-changed"), pytest.mark.anyio]

AFTERWARDS: dict[str, dict[str, Any]] = {
    "command": {"command": os.path.realpath(sys.executable)},
    "args": {"args": light("args", "--mark", "2")["args"]},
    "cwd": {"cwd": "/"},
    "env": {"env": {"COLOUR": "red"}},
    "mock": {"mock": {"scenario": "demo", "tools": []}},
    "enabled": {"enabled": False},
    "requireApproval": {"requireApproval": False},
    "allowTools": {"allowTools": ["echo"]},
    "denyTools": {"denyTools": ["crash"]},
    "tools": {"tools": {"echo": {"requireApproval": False, "timeout": "5s"}}},
    "name": {"name": "Another name"},
    "description": {"description": "Another description"},
    "group": {"group": "other"},
    "metadata": {"metadata": {"owner": "ops"}},
    "iconUrl": {"iconUrl": "https://example.com/icon.png"},
    "timeouts": {"timeouts": {"start": "9s", "list": "8s", "call": "7s"}},
    "strategy": {"strategy": "recreate"},
    "protect": {"protect": True},
    "required": {"required": True},
    "lock": {"lock": "off"},
    "connection": {"connection": "direct"},
}
"""By field: what a stdio server says afterwards."""
REMOTE = ("url", "headers")
ELSEWHERE = {
    "type": "with a command there is one type, with a URL another kind of server answers: tests/sessions",
    "oauth": "needs somebody to sign in: test_sign_in",
    "azure": "needs somebody to sign in: test_sign_in",
}
SETTINGS = {
    "defaults": {"requireApproval": "writes", "timeouts": {"call": "50s"}},
    "timeouts": {"list": "14s"},
    "groups": {"other": {"name": "Other", "color": "#6366f1", "requireApproval": True}},
    "approvals": {"keep": "2h"},
    "lock": "warn",
}


def sessions(at: Desk) -> dict[str, tuple[Any, Any]]:
    return {server: (row["pid"], row["instance"]) for server, row in at.rows().items()}


def test_every_field_is_here() -> None:
    assert {*AFTERWARDS, *REMOTE, *ELSEWHERE} == SERVER_FIELDS.keys()


async def test_only_a_field_that_says_what_runs_opens_another_session(tmp_path: Path) -> None:
    async with EvilHttp(mcp()) as web, desk(tmp_path) as at:
        local = {field: light(field) for field in AFTERWARDS}
        remote = {field: {"url": web.url} for field in REMOTE}
        at.write({**local, **remote})
        assert (await at.apply()).exit == 0
        before = sessions(at)
        later = {field: {**local[field], **changed} for field, changed in AFTERWARDS.items()}
        later |= {"url": {"url": f"{web.url}/other"}, "headers": {"url": web.url, "headers": {"X-Colour": "red"}}}
        at.write(later)
        assert (await at.apply()).exit == 0
        after = sessions(at)
        others = {field for field in before if after[field] != before[field]}
        assert others == {field for field in before if effect_of(field) in ("reconnect", "enable")}
        assert (await at.plan()).actions == ()
        at.write(later, **SETTINGS)
        assert (await at.apply()).exit == 0
        assert sessions(at) == after
