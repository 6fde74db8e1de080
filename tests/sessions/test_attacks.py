"""No packet goes to an address that only a server told us of, unless it is public: every place, in every spelling.

The attacks run in a network of their own in which every address answers, and every packet is on record.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.sessions.addresses import is_public
from tests.needs import NETWORK
from tests.requirements import requirement
from tests.rig.inside import OWN_NETWORK
from tests.rig.spellings import ELSEWHERE, INSIDE, SERVER, TRICKS

pytestmark = [pytest.mark.needs(NETWORK), requirement("AUTH-1:learnt-addresses")]

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 120
ITSELF = f"{SERVER}:80"
TOLD = ("resource_metadata", "authorization_servers", "token_endpoint", "registration")
"""Places from which an address is asked; the others are not even looked at."""


@pytest.fixture(scope="module")
def attempts() -> list[Mapping[str, Any]]:
    """What was tried, and to which addresses packets went."""
    words = [*OWN_NETWORK, sys.executable, "-m", "tests.sessions.attacks"]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[Mapping[str, Any]] = json.loads(done.stdout)
    return found


def test_no_packet_goes_inside(attempts: list[Mapping[str, Any]]) -> None:
    public = tuple(f"{address}:" for address in (SERVER, ELSEWHERE))
    told = [each for each in attempts if "from loopback" not in each["place"]]
    assert [each for each in told if any(not where.startswith(public) for where in each["packets"])] == []


def test_a_server_on_loopback_leads_nowhere_else_inside(attempts: list[Mapping[str, Any]]) -> None:
    beside = [each for each in attempts if "from loopback" in each["place"] and "rebind-loop" not in each["url"]]
    assert len(beside) >= 200
    assert [each for each in beside if each["packets"] != ["127.0.0.1:80"]] == []
    changing = [each for each in attempts if "from loopback" in each["place"] and "rebind-loop" in each["url"]]
    assert len(changing) == 4
    assert all(set(each["packets"]) <= {"127.0.0.1:80", "127.0.0.1:443", ITSELF} for each in changing)


def test_every_place_is_tried_with_more_than_sixty_spellings(attempts: list[Mapping[str, Any]]) -> None:
    for place in TOLD:
        tried = {each["url"] for each in attempts if each["place"] == f"person: {place}"}
        assert {f"https://{host}/x" for host in INSIDE} < tried
    assert len({*INSIDE}) >= 100 and len(TRICKS) >= 10


def test_each_place_leads_to_a_packet_where_the_address_is_public(attempts: list[Mapping[str, Any]]) -> None:
    """Otherwise nothing would be shown by the silence of the others."""
    asked = {
        each["place"].partition(": ")[2]
        for each in attempts
        if each["url"] == f"https://{ELSEWHERE}/x" and f"{ELSEWHERE}:443" in each["packets"]
    }
    assert asked == set(TOLD)


def test_only_one_address_is_dialled_for_a_name_that_changes_its_mind(attempts: list[Mapping[str, Any]]) -> None:
    changing = [each for each in attempts if "rebind" in each["url"] and f"{ELSEWHERE}:443" in each["packets"]]
    assert len(changing) >= 3 * len(TOLD)
    assert all(set(each["packets"]) == {ITSELF, f"{ELSEWHERE}:443"} for each in changing)


def test_nothing_is_asked_over_plain_http_even_where_it_is_public(attempts: list[Mapping[str, Any]]) -> None:
    told = [each for each in attempts if "from loopback" not in each["place"]]
    plain = [each for each in told if each["url"].startswith("http://")]
    assert len(plain) > 40 and all(each["packets"] == [ITSELF] for each in plain)


def test_pictures_documents_and_keys_are_never_fetched(attempts: list[Mapping[str, Any]]) -> None:
    quiet = [each for each in attempts if "picture" in each["place"]]
    assert len(quiet) >= 18
    assert {each["outcome"] for each in quiet} == {"served"}
    assert all(each["packets"] == [ITSELF] for each in quiet)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_to_another_origin(attempts: list[Mapping[str, Any]], status: int) -> None:
    moved = [each for each in attempts if f"{status} of" in each["place"]]
    assert len(moved) >= 60 and all(each["packets"] == [ITSELF] for each in moved)


def test_an_attack_is_refused_in_words(attempts: list[Mapping[str, Any]]) -> None:
    wordless = [each for each in attempts if each["outcome"].startswith(("internal", "failed:", "deadline"))]
    assert wordless == []


def test_the_two_public_addresses_are() -> None:
    assert is_public(SERVER) and is_public(ELSEWHERE)
