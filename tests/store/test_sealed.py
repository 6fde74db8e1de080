"""Literal secrets in state: sealed, bound to their place, and noticed when anything about them changed."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.document import RECONNECT_FIELDS
from reconciler.model.secret import HIDDEN
from reconciler.store.sealed import seal, unseal
from tests.canary import canary_written, encodings_in
from tests.requirements import requirement

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
PLACE = "/document/mcpServers/a/env/TOKEN"

texts = st.text(max_size=12) | st.sampled_from(
    ["hunter2", "Bearer ${env:TOKEN}", "${env:TOKEN:-fallback-secret}", "ghp_" + "a1" * 12, "$$", "${", "***", ""]
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.sampled_from(["a/b", "a~b", "~1", "0", "-1"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(st.sampled_from([*RECONNECT_FIELDS, "name", "metadata"]), values, max_size=4)
secrets_fields = st.fixed_dictionaries(
    {},
    optional={
        "env": st.dictionaries(names, texts, max_size=3),
        "headers": st.dictionaries(names, texts, max_size=3),
        "oauth": st.fixed_dictionaries({"clientSecret": texts}),
        "args": st.lists(texts, max_size=3),
    },
)
servers = st.dictionaries(names, secrets_fields | fields, max_size=3)
states = st.builds(
    lambda document, ready: {"document": {"mcpServers": document, "groups": {}}, "ready": ready}, servers, servers
)


def document(**server: Any) -> dict[str, Any]:
    return {"document": {"mcpServers": {"a": server}}}


@given(states)
def test_what_was_sealed_opens_to_what_it_was(state: dict[str, Any]) -> None:
    before = copy.deepcopy(state)
    parts, sealed = seal(state, KEY)
    assert unseal(json.loads(json.dumps(parts)), sealed, KEY) == state == before


def test_a_server_that_did_not_change_is_sealed_once_and_what_is_put_back_into_it_is_in_no_other_state() -> None:
    state = document(env={"TOKEN": "hunter2"}, args=["x"])
    parts, sealed = seal(state, KEY)
    assert unseal(parts, sealed, KEY) == state
    again, sealed_again = seal({"document": {"mcpServers": state["document"]["mcpServers"], "groups": {}}}, KEY)
    assert (again["document"]["mcpServers"]["a"]["env"]["TOKEN"], sealed_again) == (HIDDEN, sealed)
    assert seal({"document": {"mcpServers": {"b": state["document"]["mcpServers"]["a"]}}}, KEY)[1].keys() == {
        PLACE.replace("/a/", "/b/")
    }
    assert seal(state, OTHER_KEY)[1][PLACE] != sealed[PLACE]


def test_what_is_remembered_of_sealed_servers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.sealed._MOST_SERVERS", 2)
    known: dict[Any, Any] = {}
    monkeypatch.setattr("reconciler.store.sealed._SERVERS", known)
    for number in range(7):
        assert seal(document(env={"TOKEN": f"hunter{number}"}), KEY)[1].keys() == {PLACE}
    assert len(known) == 1
    seal({"document": {"mcpServers": {str(number): {} for number in range(7)}}}, KEY)
    assert len(known) <= 2


@requirement("API-4:secrets-never-render")
def test_no_literal_of_a_secret_field_is_left() -> None:
    written = canary_written()
    parts, sealed = seal({"document": written, "ready": written["mcpServers"]}, KEY)
    assert encodings_in(json.dumps([parts, sealed])) == []
    assert json.dumps(parts).count(f'"{HIDDEN}"') == len(sealed) == 2 * len(written["mcpServers"])


@requirement("API-4:secrets-never-render")
def test_a_literal_that_looks_like_a_secret_is_sealed_wherever_it_stands() -> None:
    token = "ghp_" + "a1b2" * 8
    state = {"document": {"mcpServers": {"a": {"args": ["--token", token]}}, "project": token}}
    parts, sealed = seal(state, KEY)
    assert token not in json.dumps([parts, sealed])
    assert sorted(sealed) == ["/document/mcpServers/a/args/1", "/document/project"]
    assert unseal(parts, sealed, KEY) == state


def test_the_same_secret_never_looks_the_same_in_two_places_or_servers() -> None:
    states = [document(env={"ONE": "hunter2", "TWO": "hunter2"}) for _ in range(2)]
    assert len({text for state in states for text in seal(state, KEY)[1].values()}) == 4


def test_a_reference_is_no_secret() -> None:
    state = document(env={"TOKEN": "${env:TOKEN}"}, headers={"Authorization": "Bearer ${secret:docs}"})
    assert seal(state, KEY) == (state, {})


def test_every_change_of_one_character_is_noticed() -> None:
    parts, sealed = seal(document(env={"TOKEN": "hunter2"}), KEY)
    good = sealed[PLACE]
    for at in range(len(good)):
        for other in "AB/=\n é":
            changed = good[:at] + other + good[at + 1 :]
            if changed == good:
                continue
            with pytest.raises(ValueError, match=f"the sealed value at {PLACE} was altered"):
                unseal(copy.deepcopy(parts), {PLACE: changed}, KEY)


def test_every_change_of_one_bit_is_noticed() -> None:
    parts, sealed = seal(document(env={"TOKEN": "hunter2"}), KEY)
    data = base64.b64decode(sealed[PLACE])
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="was altered"):
            unseal(copy.deepcopy(parts), {PLACE: base64.b64encode(changed).decode()}, KEY)


@pytest.mark.parametrize("text", ["", "AAAA", "=", "not base64!", "A" * 16])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(ValueError, match="was altered"):
        unseal(document(env={"TOKEN": HIDDEN}), {PLACE: text}, KEY)


def test_a_sealed_text_opens_nowhere_but_in_its_place() -> None:
    state = document(env={"TOKEN": "hunter2", "OTHER": "hunter3"})
    parts, sealed = seal(state, KEY)
    other = PLACE.replace("TOKEN", "OTHER")
    with pytest.raises(ValueError, match="was altered"):
        unseal(parts, {PLACE: sealed[other], other: sealed[PLACE]}, KEY)


def test_another_key_opens_nothing() -> None:
    parts, sealed = seal(document(env={"TOKEN": "hunter2"}), KEY)
    with pytest.raises(ValueError, match="under another key"):
        unseal(parts, sealed, OTHER_KEY)


def test_without_the_key_only_what_holds_no_secret_opens() -> None:
    parts, sealed = seal(document(env={"TOKEN": "hunter2"}), KEY)
    with pytest.raises(ValueError, match="the key of the sealed values is missing"):
        unseal(parts, sealed, None)
    assert unseal(document(command="a"), {}, None) == document(command="a")


@pytest.mark.parametrize(
    "emptied",
    [
        {"document": {"mcpServers": {"a": {"env": {}}}}},
        {"document": {"mcpServers": {"a": {"env": "text"}}}},
        {"document": {"mcpServers": {"a": {"env": ["x"]}}}},
        {"document": {"mcpServers": {"a": {}}}},
        {"document": {"mcpServers": []}},
        {},
    ],
)
def test_a_place_that_is_gone_is_not_made_anew(emptied: dict[str, Any]) -> None:
    _, sealed = seal(document(env={"TOKEN": "hunter2"}), KEY)
    with pytest.raises(ValueError, match=f"nothing stands at {PLACE}"):
        unseal(emptied, sealed, KEY)


@pytest.mark.parametrize("index", [0, 2])
def test_an_item_of_a_list_goes_back_to_its_place(index: int) -> None:
    args = ["a", "b", "c"]
    args[index] = secret = "sk-" + "a1B2" * 8
    parts, sealed = seal(document(args=args), KEY)
    assert parts["document"]["mcpServers"]["a"]["args"][index] == HIDDEN
    assert unseal(parts, sealed, KEY)["document"]["mcpServers"]["a"]["args"][index] == secret


def test_an_index_from_the_end_is_no_place() -> None:
    _, sealed = seal(document(args=["sk-" + "a1B2" * 8]), KEY)
    [secret] = sealed.values()
    with pytest.raises(ValueError, match=r"nothing stands at|was altered"):
        unseal(document(args=["x"]), {"/document/mcpServers/a/args/-1": secret}, KEY)
