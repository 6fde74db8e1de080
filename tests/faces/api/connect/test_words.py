"""Ids of our own choice, and cursors."""

from __future__ import annotations

from random import Random

import pytest

from reconciler.config.rules_names import ID
from reconciler.faces.api.connect.cursors import cursor_after, read_cursor
from reconciler.faces.api.connect.words import ANIMALS, QUALITIES, new_id, new_name
from reconciler.faces.http.problems import HttpProblem
from tests.requirements import requirement


@requirement("API-2:connections")
def test_every_id_of_ours_is_one_that_a_file_may_have() -> None:
    choose = Random(1).choice
    assert all(ID.fullmatch(new_id(choose)) and "__" not in new_id(choose) for _ in range(1000))
    assert all(word.isascii() and word.isalpha() and word.islower() for word in (*QUALITIES, *ANIMALS))


@requirement("API-2:connections")
def test_ids_are_many() -> None:
    choose = Random(1).choice
    assert len({new_id(choose) for _ in range(10_000)}) == 10_000
    assert len({*QUALITIES}) * len({*ANIMALS}) > 3000
    assert len({*QUALITIES}) == len(QUALITIES) and len({*ANIMALS}) == len(ANIMALS)
    assert new_name(lambda words: words[0]) == "able-badger"


@requirement("API-2:lists")
def test_a_cursor_leads_back_to_where_the_page_ended() -> None:
    for last in ("a", "clever-dolphin-a9X3", "Z" * 63):
        assert read_cursor(cursor_after(last)) == last
    assert read_cursor(None) is None


@requirement("API-2:lists")
@pytest.mark.parametrize("text", ["", "a", "abc", "é", "YWZ0ZXI6YQ==", "A" * 1000, "\x00"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(HttpProblem) as refused:
        read_cursor(text)
    assert refused.value.status == 400
