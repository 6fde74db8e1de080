"""What the config dialect shows of a document, and what of a patch is meant. No engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.faces.api.config.document import meant, shown_document, shown_server
from reconciler.merge_patch import apply, diff, equal
from reconciler.model.document import Document
from tests.canary import CANARY, canary_written
from tests.plan.generated import documents, edits
from tests.requirements import requirement

CASES = Path(__file__).parents[3] / "cases" / "plan"
SERVER = {"command": "npx", "requireApproval": "writes", "env": {"TOKEN": "hidden-by-name", "AT": "${env:HOME}"}}


def document(server: dict[str, Any] | None = None, **more: Any) -> Document:
    return Document({"version": 1, **more, "mcpServers": {"a": SERVER if server is None else server}})


@requirement("API-3:whole")
def test_a_server_is_shown_with_the_defaults_of_the_dialect_and_without_a_secret() -> None:
    shown = shown_server(document(), "a")
    assert shown == {
        "command": "npx",
        "requireApproval": True,
        "env": {"TOKEN": "***", "AT": "${env:HOME}"},
        "name": "a",
        "enabled": True,
        "oauth": False,
    }
    defaults = {"requireApproval": False}
    assert shown_server(document({"command": "x"}, defaults=defaults), "a")["requireApproval"] is False
    grouped = document({"command": "x", "group": "dev"}, groups={"dev": {"enabled": False}})
    assert shown_server(grouped, "a")["enabled"] is True  # the server's own word, as a patch of it would set it
    theirs = Document({"mcpServers": {"a": {"command": "x", "disabled": True}}})
    assert (shown_server(theirs, "a")["enabled"], "disabled" in shown_server(theirs, "a")) == (False, False)


@requirement("API-3:merge-patch")
def test_the_file_of_another_client_is_changed_in_its_own_word() -> None:
    theirs = Document({"mcpServers": {"a": {"command": "x", "disabled": True}}})
    both = Document({"mcpServers": {"a": {"command": "x", "disabled": True, "enabled": False}}})

    def said(document: Document, enabled: Any) -> Any:
        return meant({"mcpServers": {"a": {"enabled": enabled}}}, document)["mcpServers"]["a"]

    assert (said(theirs, True), said(theirs, None)) == ({"disabled": False}, {"disabled": None, "enabled": None})
    assert said(both, True) == {"disabled": False, "enabled": True}
    assert said(document({"command": "x"}), False) == {"enabled": False}
    assert meant(shown_document(theirs), theirs)["mcpServers"] == {}


@requirement("API-3:whole", "API-4:secrets-never-render")
def test_no_literal_secret_is_shown_wherever_it_stands() -> None:
    free = {"metadata": {"deep": [{"apiKey": "x1"}], "token": "Bearer ${env:A}", "team": "us"}, "password": "x3"}
    for written in (
        canary_written(),
        {
            "mcpServers": {
                "a": {"command": "c", "args": [f"--token={CANARY}", f"https://me:{quote(CANARY, safe='')}@h/"], **free}
            }
        },
    ):
        text = json.dumps(shown_document(Document(written)))
        assert not any(secret in text for secret in (CANARY, quote(CANARY, safe=""), "x1", "x3"))
    shown = shown_server(Document(written), "a")
    assert shown["metadata"] == {"deep": [{"apiKey": "***"}], "token": "Bearer ${env:A}", "team": "us"}


@requirement("API-3:round-trip")
@settings(max_examples=300, deadline=None)
@given(documents())
def test_what_was_read_and_is_sent_back_means_nothing(before: Document) -> None:
    shown = shown_document(before)
    assert meant(json.loads(json.dumps(shown)), before) == {"mcpServers": {}}


@requirement("API-3:round-trip")
@settings(max_examples=300, deadline=None)
@given(documents(), st.data())
def test_one_change_of_what_was_read_means_that_change_alone(before: Document, data: st.DataObject) -> None:
    shown = shown_document(before)
    if not before.servers:
        return
    server_id = data.draw(st.sampled_from(sorted(before.servers)))
    fields = shown["mcpServers"][server_id]
    if len(before.servers[server_id]) == 1:
        return
    name = data.draw(st.sampled_from(["enabled", "requireApproval", "description"]))
    fields[name] = "new" if name == "description" else not fields[name]
    assert meant(shown, before) == {"mcpServers": {server_id: {name: fields[name]}}}


@requirement("PLAN-2:accepted-as-body")
@settings(max_examples=300, deadline=None)
@given(edits())
def test_a_patch_that_holds_only_what_differs_is_taken_as_it_is(both: tuple[Document, Document]) -> None:
    before, after = both
    patch = diff(before.written, after.written)
    assert equal(apply(before.written, meant(patch, before)), after.written)


@requirement("PLAN-2:accepted-as-body")
@pytest.mark.parametrize("folder", sorted(CASES.iterdir()), ids=lambda folder: folder.name)
def test_the_patch_of_a_plan_gives_what_the_file_says(folder: Path) -> None:
    files = [folder / name for name in ("before.yaml", "after.yaml")]
    if not all(file.exists() for file in files):
        return
    before, after = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in files)
    patch = diff(before, after)
    assert equal(apply(before, meant(patch, Document(before))), after)


@requirement("API-3:round-trip")
@pytest.mark.parametrize(
    ("patch", "means"),
    [
        ({"requireApproval": True}, {"requireApproval": True}),  # said, and stricter than `writes`
        ({"enabled": True, "name": "a"}, {"enabled": True, "name": "a"}),  # said, and so written
        ({"env": {"TOKEN": "***"}}, {}),  # stays what it is
        ({"env": {"TOKEN": "***", "AT": None}}, {"env": {"AT": None}}),
        ({"env": {"OTHER": "***"}}, {"env": {"OTHER": "***"}}),  # nothing is stored: the door says so
        ({"env": None}, {"env": None}),
        ({"env": ["TOKEN"]}, {"env": ["TOKEN"]}),
        ({"command": "npx"}, {}),
        ({"command": None, "url": "https://example.com"}, {"command": None, "url": "https://example.com"}),
        ([], []),
        (None, None),
        (7, 7),
    ],
)
def test_what_is_said_of_one_server_is_meant_but_for_what_is_so_already(patch: Any, means: Any) -> None:
    expected = {} if means == {} else {"a": means}
    assert meant({"mcpServers": {"a": patch}}, document()) == {"mcpServers": expected}


@requirement("API-3:round-trip")
def test_settings_and_things_that_are_no_servers_are_left_to_the_rules() -> None:
    before = document(groups={"dev": {"name": "Dev"}})
    assert meant({"groups": {"dev": {"name": "Dev", "color": "#ffffff"}}}, before) == {
        "groups": {"dev": {"color": "#ffffff"}}
    }
    assert meant({"mcpServers": [1], "models": {}}, before) == {"mcpServers": [1], "models": {}}
    assert meant({"mcpServers": {"new": {}}}, before) == {"mcpServers": {"new": {}}}
