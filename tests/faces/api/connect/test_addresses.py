"""Addresses as the file has them, as they are shown and as clients give them back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.faces.api.connect.addresses import (
    is_same,
    is_same_place,
    literal,
    query_references,
    shown,
    with_query_of,
    without_secrets,
)
from reconciler.model.secret import SecretRef, parse_template
from tests.requirements import requirement

pytestmark = requirement("API-2:write-only")

STORED = {"key": "the-value"}
TEXT = st.text(alphabet="ab?&=#$%{}:/~é", max_size=30)


def look_up(reference: SecretRef) -> str:
    return STORED[reference.name]


class Kept(dict[str, str]):
    """What was put away."""

    def __call__(self, name: str, value: str) -> str:
        self[name] = value
        return f"${{secret:{name}}}"


@given(TEXT)
def test_what_a_client_gives_stands_for_itself(text: str) -> None:
    assert parse_template(literal(text)).resolve(look_up) == text
    assert is_same(literal(text), text, look_up)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("https://e.com/a", "https://e.com/a"),
        ("https://e.com/$$a", "https://e.com/$a"),
        ("https://e.com/a?k=${secret:key}", "https://e.com/a?k=${secret:key}"),
        ("https://e.com/?token=abcdefghij", "https://e.com/?token=***"),
        ("https://me:password@e.com/", "https://***@e.com/"),
    ],
)
def test_what_is_shown_holds_references_and_no_secret(written: str, text: str) -> None:
    assert shown(written) == text
    assert is_same(written, text, look_up)


def test_an_address_is_the_same_once_its_secrets_are_looked_up() -> None:
    written = "https://e.com/a?k=${secret:key}"
    assert is_same(written, "https://e.com/a?k=the-value", look_up)
    assert not is_same(written, "https://e.com/a?k=other", look_up)
    assert not is_same("https://e.com/a?k=${secret:unknown}", "https://e.com/a?k=", look_up)
    assert not is_same("${env:HOME}", "/root", look_up)


@pytest.mark.parametrize(
    ("given_", "same"),
    [
        ("https://e.com/a", True),
        ("https://e.com/a?x=1&k=2", True),
        ("https://e.com/a#part", True),
        ("https://e.com/a/", False),
        ("https://e.com/b?k=2", False),
        ("http://e.com/a?k=2", False),
        ("https://e.com:444/a?k=2", False),
        ("https://f.com/a?k=2", False),
    ],
)
def test_a_place_is_all_but_the_query(given_: str, same: bool) -> None:
    assert is_same_place("https://e.com/a?k=${env:A:-?&#}", given_) is same


def test_what_a_client_gives_back_stays_and_what_is_new_is_put_away() -> None:
    written = "https://e.com/a?mode=${env:MODE:-a&b}&k=${env:KEY}&flag&plain=1"
    kept = Kept()
    new = with_query_of(written, "https://e.com/a?k=v%21&mode=%24%7Benv%3AMODE%3A-a%26b%7D&flag&plain=2", kept)
    assert new == "https://e.com/a?k=${secret:k}&mode=${env:MODE:-a&b}&flag&plain=${secret:plain}"
    assert kept == {"k": "v%21", "plain": "2"}
    assert with_query_of(written, "https://e.com/a", kept) == "https://e.com/a"


def test_only_what_looks_like_a_secret_of_a_new_address_is_put_away() -> None:
    kept = Kept()
    new = without_secrets("https://e.com/a$?mode=fast&api_key=abcdefgh1&x=$", kept)
    assert (new, kept) == ("https://e.com/a$$?mode=fast&api_key=${secret:api_key}&x=$$", {"api_key": "abcdefgh1"})


def test_each_parameter_names_its_references() -> None:
    written = "https://${env:HOST}/a?a%20b=x${env:ONE}${secret:two}&c=1"
    found = [(name, [reference.name for reference in references]) for name, references in query_references(written)]
    assert found == [("a b", ["ONE", "two"]), ("c", [])]
