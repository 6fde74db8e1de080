"""URIs in answers become those that the client can ask for; everything else stays the very same."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.project import Project
from reconciler.faces.gateway.rewrite import rewrite, rewrite_updated
from reconciler.faces.gateway.scope import Scope
from reconciler.store.sources import Sources
from reconciler.store.state_dir import state_dir_of
from tests.requirements import requirement

pytestmark = requirement("GATE-1:names", "GATE-1:transparent")

TEXT: dict[str, Any] = {"type": "text", "text": "note://a", "uri": "note://a"}
LINK: dict[str, Any] = {"type": "resource_link", "uri": "note://a", "name": "a", "vendor": [1]}
EMBEDDED: dict[str, Any] = {"type": "resource", "resource": {"uri": "note://a", "blob": "AA=="}, "annotations": {}}
SEEN = "reconciler:ark/note://a"
SEEN_LINK = {**LINK, "uri": SEEN}
SEEN_EMBEDDED = {**EMBEDDED, "resource": {"uri": SEEN, "blob": "AA=="}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    file = tmp_path / "reconciler.yaml"
    return Project("p", Sources(file, (), tmp_path), state_dir_of(file, "p", tmp_path))


@pytest.mark.parametrize(
    ("result", "seen"),
    [
        ({"content": [TEXT, LINK, EMBEDDED], "x": 1}, {"content": [TEXT, SEEN_LINK, SEEN_EMBEDDED], "x": 1}),
        ({"contents": [{"uri": "note://a", "text": "t"}]}, {"contents": [{"uri": SEEN, "text": "t"}]}),
        ({"messages": [{"role": "user", "content": LINK}]}, {"messages": [{"role": "user", "content": SEEN_LINK}]}),
        ({"messages": [{"content": [TEXT, EMBEDDED]}]}, {"messages": [{"content": [TEXT, SEEN_EMBEDDED]}]}),
    ],
)
def test_uris_where_the_protocol_has_them_become_visible(
    project: Project, result: dict[str, Any], seen: dict[str, Any]
) -> None:
    before = copy.deepcopy(result)
    assert rewrite(Scope(project), "ark", result) == seen
    assert rewrite(Scope(project, group="sea"), "ark", result) == seen
    assert result == before
    assert rewrite(Scope(project, server="ark"), "ark", result) is result


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"content": [TEXT] * 3, "structuredContent": {"uri": "note://a", "content": [LINK]}, "_meta": {"uri": "x"}},
        {"content": []},
        {"content": "text"},
        {"content": None, "contents": {"uri": "x"}, "messages": 3},
        {"content": [None, 5, [], {"type": "resource_link"}, {"type": "resource"}, {"type": ["resource"]}]},
        {"content": [{"type": "resource", "resource": "x"}, {"type": "resource_link", "uri": 5}]},
        {"messages": [None, {}, {"content": None}, {"content": "x"}, {"content": [TEXT]}]},
        {"contents": [None, {}, {"uri": None}]},
        {"completion": {"values": ["note://a"]}},
    ],
)
def test_an_answer_without_uris_stays_the_very_same_object(project: Project, result: dict[str, Any]) -> None:
    before = copy.deepcopy(result)
    assert rewrite(Scope(project), "ark", result) is result
    assert result == before


def test_an_update_names_the_visible_uri(project: Project) -> None:
    params = {"uri": "note://a", "_meta": {"vendor": 1}}
    assert rewrite_updated(Scope(project), "ark", params) == {"uri": SEEN, "_meta": {"vendor": 1}}
    assert rewrite_updated(Scope(project, server="ark"), "ark", params) is params
    assert rewrite_updated(Scope(project), "ark", {}) == {}
