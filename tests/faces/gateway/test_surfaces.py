"""Who is told of changed lists: exactly those whose view has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.faces.gateway import surfaces
from reconciler.faces.gateway.scope import NotHere
from tests.faces.gateway.counter import Counter, catalog_server, counter, names, tool
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:changes")]

PROMPT: dict[str, Any] = {"name": "greet"}
NOTE: dict[str, Any] = {"uri": "note://a", "name": "a"}
PAGE: dict[str, Any] = {"uriTemplate": "page://{x}", "name": "p"}
CATALOG: dict[str, Any] = {
    "tools": [tool("one"), tool("two")],
    "prompts": [PROMPT],
    "resources": [NOTE],
    "resourceTemplates": [PAGE],
}
TWO: dict[str, Any] = {"ark": CATALOG, "zoo": CATALOG}


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({"tools": [tool("one"), tool("two"), tool("three")]}, {"tools"}),
        ({"tools": [tool("one")]}, {"tools"}),
        ({"tools": [tool("one"), tool("two", title="Two")]}, {"tools"}),
        ({"tools": [tool("one"), tool("two", _meta={"a": 1})]}, {"tools"}),
        ({"prompts": []}, {"prompts"}),
        ({"prompts": [{**PROMPT, "description": "hello"}]}, {"prompts"}),
        ({"resources": [NOTE, {**NOTE, "uri": "note://b"}]}, {"resources"}),
        ({"resourceTemplates": [{**PAGE, "vendor": True}]}, {"resources"}),
        ({"tools": [], "prompts": [], "resources": []}, {"tools", "prompts", "resources"}),
    ],
)
async def test_a_change_is_told_to_whoever_sees_it(tmp_path: Path, changed: dict[str, Any], kinds: set[str]) -> None:
    async with counter(tmp_path, TWO, {"ark": {"group": "sea"}, "zoo": {"group": "land"}}) as at:
        seeing = [at.listen(), at.listen(group="sea"), at.listen(server="ark")]
        others = [at.listen(group="land"), at.listen(server="zoo")]
        at.lay("ark", **CATALOG | changed)
        await at.tell("ark", *sorted(kinds))
        await at.looked()
        for heard in seeing:
            assert [kind for told in heard for kind in sorted(told)] == sorted(kinds)
        assert others == [[], []]


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(CATALOG, id="nothing"),
        pytest.param({**CATALOG, "tools": [tool("two"), tool("one")]}, id="the order of the list"),
        pytest.param(
            {**CATALOG, "tools": [dict(reversed(tool(name).items())) for name in ("one", "two")]}, id="of members"
        ),
        pytest.param({**CATALOG, "tools": [*CATALOG["tools"], tool("secret_a", title="new")]}, id="a denied tool"),
        pytest.param({**CATALOG, "tools": [*CATALOG["tools"], {"name": "broken"}]}, id="a malformed tool"),
        pytest.param({**CATALOG, "tools": [*CATALOG["tools"], tool("a b")]}, id="a name that is withheld"),
        pytest.param({**CATALOG, "prompts": [PROMPT, {"name": 5}]}, id="a malformed prompt"),
        pytest.param({**CATALOG, "vendorTop": 1}, id="something beside the lists"),
    ],
)
async def test_a_change_that_nobody_sees_is_told_to_nobody(tmp_path: Path, same: dict[str, Any]) -> None:
    async with counter(tmp_path, TWO, {"ark": {"denyTools": ["secret_*"]}}) as at:
        heard = [at.listen(), at.listen(server="ark")]
        at.lay("ark", **same)
        await at.tell("ark", "tools", "prompts", "resources")
        await at.looked()
        assert heard == [[], []]
        at.lay("ark", **CATALOG | {"tools": []})
        await at.tell("ark", "tools")
        await at.at.until(lambda: all(heard))
        assert heard == [[{"tools"}], [{"tools"}]]


async def test_one_is_not_true(tmp_path: Path) -> None:
    async with counter(tmp_path, {"ark": {"tools": [tool("one", vendor=1)]}}) as at:
        heard = at.listen()
        at.lay("ark", tools=[tool("one", vendor=True)])
        await at.tell("ark", "tools")
        await at.at.until(lambda: bool(heard))
        assert b'"vendor":true' in at.of().tools_bytes


async def edited(at: Counter, settings: dict[str, Any] | None = None, **fields: Any) -> None:
    """Apply the file with other fields of `ark`."""
    servers = {"ark": catalog_server(at.at.folder, "ark", **fields), "zoo": catalog_server(at.at.folder, "zoo")}
    at.at.write(servers, **settings or {})
    await at.at.apply(allow=["all"])
    await at.looked()


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"enabled": False}, {"tools", "prompts", "resources"}),
        ({"connection": "direct"}, {"tools", "prompts", "resources"}),
        ({"allowTools": ["one", "t*"]}, {"tools"}),
        ({"denyTools": ["one"]}, {"tools"}),
        ({"requireApproval": True}, {"tools"}),
        ({"group": "other"}, set[str]()),
        ({"name": "Ark", "description": "of animals"}, set[str]()),
        ({"tools": {"one": {"timeout": "5s"}}}, set[str]()),
        ({"denyTools": ["nothing_*"]}, set[str]()),
    ],
)
async def test_an_edit_of_the_file_is_told_when_it_shows(
    tmp_path: Path, fields: dict[str, Any], kinds: set[str]
) -> None:
    async with counter(tmp_path, TWO) as at:
        everything, zoo = at.listen(), at.listen(server="zoo")
        await edited(at, **fields)
        assert set().union(*everything) == kinds
        assert zoo == []
        everything.clear()
        await edited(at)
        await at.at.until(lambda: set().union(*everything) == kinds)


async def test_moving_a_server_between_groups_is_told_to_both(tmp_path: Path) -> None:
    async with counter(tmp_path, TWO, {"ark": {"group": "sea"}}, groups={"sea": {}, "land": {}}) as at:
        sea, land, everything = at.listen(group="sea"), at.listen(group="land"), at.listen()
        await edited(at, {"groups": {"sea": {}, "land": {}}}, group="land")
        assert sea == land == [{"tools", "prompts", "resources"}]
        assert everything == []
        assert at.of(group="sea").tools == ()


async def test_a_server_or_group_that_goes_is_told_once_and_again_when_it_is_back(tmp_path: Path) -> None:
    async with counter(tmp_path, TWO, {"ark": {"group": "sea"}}) as at:
        server, group = at.listen(server="ark"), at.listen(group="sea")
        for settings in ({"groups": {"sea": {"enabled": False}}}, {"groups": {"sea": {"enabled": True}}}):
            await edited(at, settings, group="sea")
            await at.at.until(lambda: all((server, group)))
            assert set().union(*server) == set().union(*group) == {"tools", "prompts", "resources"}
            if not settings["groups"]["sea"]["enabled"]:
                for words in ({"server": "ark"}, {"group": "sea"}):
                    with pytest.raises(NotHere):
                        at.of(**words)
            server.clear()
            group.clear()
        assert "one" in names(at.of(server="ark").tools)


async def test_a_restart_that_lists_the_same_is_told_to_nobody(tmp_path: Path) -> None:
    async with counter(tmp_path, TWO) as at:
        heard = [at.listen(), at.listen(server="ark")]
        before = at.at.row("ark")["instance"]
        at.at.project.retry("ark")
        await at.at.until(lambda: at.at.row("ark")["instance"] not in (before, None))
        await at.at.until(lambda: at.at.row("ark")["status"] == "connected")
        await at.looked()
        assert heard == [[], []]


async def test_a_storm_of_touches_is_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counter(tmp_path, TWO) as at:
        heard, made = [at.listen() for _ in range(50)], [0]
        await at.looked()
        make = surfaces._make

        def counted(*arguments: Any) -> Any:
            made[0] += 1
            return make(*arguments)

        monkeypatch.setattr(surfaces, "_make", counted)
        at.lay("ark", **CATALOG | {"tools": []})
        await at.tell("ark", "tools")
        await at.looked()
        assert heard == [[{"tools"}]] * 50
        made[0] = 0
        for _ in range(10_000):
            at.at.project.offers.touch()
        assert made == [0]
        await at.looked()
        assert made == [1]
        assert heard == [[{"tools"}]] * 50


async def test_listeners_are_told_apart_and_can_stop(tmp_path: Path) -> None:
    async with counter(tmp_path, TWO) as at:
        heard: list[str] = []
        stops = [at.surfaces.listen(at.scope(), lambda _, who=who: heard.append(who)) for who in "abc"]  # type: ignore[misc]
        stops[1]()
        stops[1]()
        await edited(at, denyTools=["one"])
        await at.at.until(lambda: len(heard) == 2)
        assert heard == ["a", "c"]
        for stop in stops:
            stop()
        await edited(at)
        assert heard == ["a", "c"]
        assert at.at.project.offers._listeners == []
