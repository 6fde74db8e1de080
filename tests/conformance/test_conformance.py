"""The official conformance suite judges our sessions and our gateway: every scored scenario, at both revisions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from tests.conformance.doorman import doorman
from tests.conformance.person import PROGRAM
from tests.conformance.suite import CHECKOUT, Report, Revision, judge_client, judge_server, scored
from tests.real.running import Engine, engine, python
from tests.requirements import requirement

pytestmark = [pytest.mark.needs("npm"), requirement("GATE-1:conformance")]

CLIENT: dict[Revision, int] = {"2025-11-25": 4, "2026-07-28": 7}
"""Scored scenarios for clients that have nothing to do with signing in."""
_BOTH = (
    *("metadata-default", "metadata-var1", "metadata-var2", "metadata-var3", "basic-cimd"),
    *("scope-from-www-authenticate", "scope-from-scopes-supported", "scope-omitted-when-undefined"),
    *("scope-step-up", "scope-retry-limit", "token-endpoint-auth-basic", "token-endpoint-auth-post"),
    *("token-endpoint-auth-none", "pre-registration"),
)
SIGNING_IN: dict[Revision, tuple[str, ...]] = {
    "2025-11-25": _BOTH,
    "2026-07-28": (
        *_BOTH,
        *("resource-mismatch", "offline-access-scope", "offline-access-not-supported"),
        *("authorization-server-migration", "iss-supported", "iss-not-advertised", "iss-supported-missing"),
        *("iss-wrong-issuer", "iss-unexpected", "iss-normalized", "metadata-issuer-mismatch"),
    ),
}
"""Scored scenarios for clients that sign in, all of them.

Of the extensions, which nobody has to pass, PROGRAM runs. The others want what the file has no words for: a private key
(client-credentials-jwt), tokens of another identity provider (enterprise-managed-authorization, wif-jwt-bearer), and a
proof with every request (dpop, dpop-nonce).
"""
SERVER: dict[Revision, int] = {"2025-11-25": 30, "2026-07-28": 37}
UNSCORED = "json-schema-2020-12-preservation"
BEYOND: dict[Revision, tuple[str, ...]] = {
    "2025-11-25": ("json-schema-2020-12", "server-session-lifecycle"),
    "2026-07-28": ("json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"),
}
"""Scenarios for servers that nobody has to pass yet."""
NO_QUESTION_LEFT = ("server-sse-multiple-streams", "input-required-result-unsupported-methods")
ASKED = tuple(
    f"input-required-result-{name}"
    for name in ("basic-sampling", "request-state", "multi-round", "non-tool-request", "tampered-state")
)
"""Each answers what it was asked, but for the last: an open question keeps others from being asked for a while."""
FIXTURE = "tests.conformance.fixture"


@pytest.mark.parametrize("revision", CLIENT)
def test_our_sessions_pass_every_scored_scenario_for_clients(revision: Revision, tmp_path: Path) -> None:
    scenarios = [name for name in scored(revision, "client") if not name.startswith("auth/")]
    assert len(scenarios) == CLIENT[revision], scenarios
    report = judge_client([*scenarios, UNSCORED], revision, tmp_path)
    assert report.wrong([*scenarios, UNSCORED]) == []


@requirement("AUTH-1:conformance")
@pytest.mark.parametrize("revision", SIGNING_IN)
def test_our_sessions_sign_in_as_every_scored_scenario_wants(revision: Revision, tmp_path: Path) -> None:
    scenarios = [name for name in scored(revision, "client") if name.startswith("auth/")]
    assert scenarios == [f"auth/{name}" for name in SIGNING_IN[revision]]
    assert judge_client(scenarios, revision, tmp_path).wrong(scenarios) == []


@requirement("AUTH-1:conformance")
def test_a_program_signs_in_as_the_extension_for_programs_wants(tmp_path: Path) -> None:
    assert judge_client([PROGRAM], "2025-11-25", tmp_path).wrong([PROGRAM]) == []


@contextmanager
def listening() -> Iterator[str]:
    """The URL of the fixture as a server over HTTP."""
    words = [sys.executable, "-m", FIXTURE, "--http", "0"]
    with subprocess.Popen(words, cwd=CHECKOUT, env={**os.environ}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the fixture as a process of both eras, twice as one of the older era only, and over HTTP."""
    with listening() as url:
        servers = {
            "fixture": python(FIXTURE),
            "older": python(FIXTURE, "--old"),
            "asking": python(FIXTURE, "--old"),
            "distant": {"url": url},
        }
        with engine(tmp_path_factory.mktemp("conformance"), servers) as running:
            yield running


def judged(running: Engine, server: str, revision: Revision, out: Path, *scenarios: str) -> Report:
    """What the suite says of a server behind the gateway."""

    async def judge() -> Report:
        async with doorman(running.port, f"Authorization: Bearer {running.token}") as port:
            url = f"http://127.0.0.1:{port}/mcp/s/{server}"
            return await anyio.to_thread.run_sync(judge_server, url, revision, out, *scenarios)

    return anyio.run(judge)


@pytest.mark.parametrize("server", ["fixture", "distant"])
@pytest.mark.parametrize("revision", SERVER)
def test_a_server_behind_the_gateway_passes_every_scored_scenario(
    fixtures: Engine, server: str, revision: Revision, tmp_path: Path
) -> None:
    scenarios = scored(revision, "server")
    assert len(scenarios) == SERVER[revision], scenarios
    assert judged(fixtures, server, revision, tmp_path).wrong([*scenarios, *BEYOND[revision]]) == []


def test_a_server_of_the_older_era_passes_every_scored_scenario_of_it(fixtures: Engine, tmp_path: Path) -> None:
    scenarios = scored("2025-11-25", "server")
    assert judged(fixtures, "older", "2025-11-25", tmp_path).wrong(scenarios) == []


def test_clients_of_the_newer_era_find_an_older_server_as_if_it_were_of_theirs(
    fixtures: Engine, tmp_path: Path
) -> None:
    """But for what it would have to know of them: what they declared, and their own names for questions."""
    scenarios = [name for name in scored("2026-07-28", "server") if not name.startswith(("input-required", "server-"))]
    report = judged(fixtures, "older", "2026-07-28", tmp_path)
    assert report.wrong([*scenarios, *NO_QUESTION_LEFT]) == []


def test_questions_of_an_older_server_reach_clients_of_the_newer_era(fixtures: Engine, tmp_path: Path) -> None:
    assert judged(fixtures, "asking", "2026-07-28", tmp_path, *ASKED).wrong(ASKED) == []
