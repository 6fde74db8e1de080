"""What an endpoint shows, made of what real servers list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler import __version__
from reconciler.faces.gateway.scope import NotHere, Target
from reconciler.gate.showing import RESULT_TOOL_NAME
from reconciler.sessions.session import SessionError
from tests.faces.gateway.counter import catalog_server, counter, names, tool
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:surface")]

NOTE: dict[str, Any] = {"uri": "note://a", "name": "a", "vendor": [1]}
PAGE: dict[str, Any] = {"uriTemplate": "page://{+path}{?q}", "name": "page"}
GREET: dict[str, Any] = {"name": "greet", "arguments": [{"name": "who"}], "vendor": {"x": None}}
CATALOGS: dict[str, dict[str, Any]] = {
    "zoo": {"tools": [tool("feed", vendor={"deep": [1]}), tool("a_b")], "prompts": [GREET], "resources": [NOTE]},
    "ark": {"tools": [tool("feed")], "prompts": [GREET], "resources": [NOTE], "resourceTemplates": [PAGE]},
}


async def test_names_and_uris_tell_the_server_and_everything_else_is_as_the_server_says(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS) as at:
        surface = at.of()
        assert names(surface.tools) == [
            *("ark__feed", "ark__tell", "ark__update"),
            *("zoo__feed", "zoo__a_b", "zoo__tell", "zoo__update"),
        ]
        assert surface.tools[3] == {**tool("feed", vendor={"deep": [1]}), "name": "zoo__feed"}
        assert list(surface.tools[3]) == ["name", "description", "inputSchema", "vendor"]
        assert surface.prompts == ({**GREET, "name": "ark__greet"}, {**GREET, "name": "zoo__greet"})
        assert [each["uri"] for each in surface.resources] == ["reconciler:ark/note://a", "reconciler:zoo/note://a"]
        assert surface.resource_templates == ({**PAGE, "uriTemplate": "reconciler:ark/page://{+path}{?q}"},)


async def test_every_visible_name_and_uri_leads_back(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS) as at:
        surface = at.of()
        assert surface.tool("zoo__a_b") == Target("zoo", "a_b")
        assert surface.tool("zoo__b") is surface.tool("feed") is surface.tool("ark__a_b") is None
        assert surface.prompt("ark__greet") == Target("ark", "greet")
        assert surface.prompt("ark__feed") is None
        assert surface.resource("reconciler:zoo/note://a") == Target("zoo", "note://a")
        assert surface.resource("reconciler:ark/page://x/y?q=1") == Target("ark", "page://x/y?q=1")
        assert surface.resource("reconciler:zoo/unlisted://a") == Target("zoo", "unlisted://a")
        assert surface.resource("reconciler:sea/note://a") is surface.resource("note://a") is None


async def test_a_reference_to_complete_is_put_in_the_servers_own_words(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS) as at:
        surface = at.of()
        assert surface.completion({"type": "ref/prompt", "name": "zoo__greet", "title": "t"}) == (
            Target("zoo", "greet"),
            {"type": "ref/prompt", "name": "greet", "title": "t"},
        )
        assert surface.completion({"type": "ref/resource", "uri": "reconciler:ark/page://{+path}{?q}"}) == (
            Target("ark", "page://{+path}{?q}"),
            {"type": "ref/resource", "uri": "page://{+path}{?q}"},
        )
        refused: list[dict[str, Any]] = [
            {},
            {"type": "ref/prompt", "name": "greet"},
            {"type": "ref/prompt", "name": 1},
            {"type": "ref/prompt", "uri": "reconciler:ark/x"},
            {"type": "ref/resource", "uri": "page://{+path}{?q}"},
            {"type": "ref/tool", "name": "zoo__feed"},
        ]
        assert [surface.completion(ref) for ref in refused] == [None] * len(refused)


async def test_the_endpoint_of_one_server_is_that_server_untouched(tmp_path: Path) -> None:
    catalog = {**CATALOGS["ark"], "instructions": "Two of each."}
    async with counter(tmp_path, {**CATALOGS, "ark": catalog}) as at:
        surface, live = at.of(server="ark"), at.at.project.hub.slot("ark").live
        assert live is not None and live.session is not None
        assert surface.tools == live.listing.tools
        assert surface.prompts == (GREET,)
        assert surface.resources == (NOTE,)
        assert surface.resource_templates == (PAGE,)
        assert surface.tool("feed") == Target("ark", "feed")
        assert surface.tool("ark__feed") is None
        assert surface.resource("anything://at/all") == Target("ark", "anything://at/all")
        assert surface.instructions == "Two of each."
        assert surface.server_info == {"name": "catalog", "version": "1", "vendorInfo": [1]}


async def test_a_group_shows_its_servers_under_the_same_names(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS, {"ark": {"group": "sea"}}, groups={"empty": {}}) as at:
        assert set(names(at.of(group="sea").tools)) == {"ark__feed", "ark__tell", "ark__update"}
        assert at.of(group="sea").resource("reconciler:zoo/note://a") is None
        assert at.of(group="empty").tools == ()
        for words in ({"group": "zoo"}, {"server": "sea"}):
            with pytest.raises(NotHere, match="offered here"):
                at.of(**words)


async def test_what_is_disabled_denied_or_direct_is_not_there(tmp_path: Path) -> None:
    fields = {
        "ark": {"enabled": False},
        "zoo": {"denyTools": ["a_*"], "allowTools": ["a_*", "feed"]},
        "gnu": {"group": "off"},
        "elk": {"connection": "direct"},
    }
    catalogs = {**CATALOGS, "gnu": CATALOGS["ark"], "elk": CATALOGS["ark"]}
    async with counter(tmp_path, catalogs, fields, groups={"off": {"enabled": False}}) as at:
        assert names(at.of().tools) == ["zoo__feed"]
        assert at.of().tool("zoo__a_b") is None
        assert names(at.of().prompts) == ["zoo__greet"]
        assert at.of().resource("reconciler:elk/note://a") is None
        for words in ({"group": "off"}, {"server": "ark"}, {"server": "gnu"}, {"server": "elk"}):
            with pytest.raises(NotHere):
                at.of(**words)


async def test_one_malformed_definition_hides_only_itself(tmp_path: Path) -> None:
    catalog = {
        "tools": [tool("good"), tool("b\u202ead"), {"name": "bare"}, "text", tool("twin"), tool("twin")],
        "prompts": [GREET, {"name": 1}, {"title": "none"}, {"name": "a\nb"}, {"name": "t"}, {"name": "t"}, 5],
        "resources": [NOTE, {"uri": None}, {"name": "none"}, {"uri": "x://a\u200bb"}, {"uri": "u" * 9000}],
        "resourceTemplates": [PAGE, {"uriTemplate": ["x"]}],
        "tell": False,
    }
    async with counter(tmp_path, {"odd": catalog}) as at:
        for surface, prefix, uri in ((at.of(), "odd__", "reconciler:odd/"), (at.of(server="odd"), "", "")):
            assert names(surface.tools) == [f"{prefix}good"]
            assert names(surface.prompts) == [f"{prefix}greet"]
            assert [each["uri"] for each in surface.resources] == [f"{uri}note://a"]
            assert [each["uriTemplate"] for each in surface.resource_templates] == [f"{uri}page://{{+path}}{{?q}}"]


async def test_our_own_tool_is_listed_where_some_visible_tool_asks(tmp_path: Path) -> None:
    fields = {
        "ark": {"tools": {"feed": {"requireApproval": True}}},
        "zoo": {"tools": {"feed": {"requireApproval": True}}, "denyTools": ["feed"]},
    }
    async with counter(tmp_path, CATALOGS, fields) as at:
        assert names(at.of().tools).count(RESULT_TOOL_NAME) == 1
        assert names(at.of().tools)[-1] == names(at.of(server="ark").tools)[-1] == RESULT_TOOL_NAME
        assert RESULT_TOOL_NAME not in names(at.of(server="zoo").tools)
        assert at.of().tool(RESULT_TOOL_NAME) is None


async def test_no_server_can_pose_as_our_own_tool(tmp_path: Path) -> None:
    catalog = {"tools": [tool(RESULT_TOOL_NAME), tool("real")], "tell": False}
    fields = {"fox": {"requireApproval": True}}
    async with counter(tmp_path, {"fox": catalog}, fields) as at:
        assert names(at.of(server="fox").tools) == ["real", RESULT_TOOL_NAME]
        assert at.of(server="fox").tools[-1]["description"] != tool(RESULT_TOOL_NAME)["description"]
        assert at.of(server="fox").tool(RESULT_TOOL_NAME) is None
        assert at.of().tool(f"fox__{RESULT_TOOL_NAME}") == Target("fox", RESULT_TOOL_NAME)


async def test_the_json_of_a_list_is_the_list(tmp_path: Path) -> None:
    catalogs = {**CATALOGS, "owl": {"tools": [tool("wide", title="\u00fc\U0001f989")]}, "elk": {"tell": False}}
    async with counter(tmp_path, catalogs, {"ark": {"requireApproval": True}}) as at:
        for surface in (at.of(), at.of(server="ark"), at.of(server="elk")):
            assert json.loads(surface.tools_bytes) == list(surface.tools)
            assert json.loads(surface.prompts_bytes) == list(surface.prompts)
            assert json.loads(surface.resources_bytes) == list(surface.resources)
            assert json.loads(surface.resource_templates_bytes) == list(surface.resource_templates)
        assert at.of().tools_bytes.isascii()


async def test_a_server_that_is_down_stays_listed(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS) as at:
        before = at.of().tools
        (at.at.folder / "ark.catalog").unlink()  # it cannot greet without
        with pytest.raises(SessionError):
            await at.at.call("ark", "feed")
        await at.at.until(lambda: at.at.row("ark")["status"] != "connected")
        assert at.of().tools == before
        assert at.of().tool("ark__feed") == Target("ark", "feed")
        assert at.of(server="ark").server_info["name"] == "catalog"


async def test_a_surface_is_made_once_while_nothing_changes(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS) as at:
        await at.at.until(lambda: at.at.row("ark")["status"] == "connected")
        first, other = at.of(), at.of(server="ark")
        assert at.of() is first
        assert at.of(server="ark") is other
        at.at.project.offers.touch()
        assert at.of() is not first
        assert at.of().tools == first.tools
        assert at.of().tools[0] is first.tools[0]
        assert at.of().fingerprints == first.fingerprints


async def test_an_endpoint_of_several_servers_says_who_we_are(tmp_path: Path) -> None:
    async with counter(tmp_path, CATALOGS, project="acme") as at:
        assert at.of().server_info == {"name": "mcp-reconciler", "version": __version__, "title": "acme"}


async def test_what_an_edit_adds_is_there_once_it_is_applied(tmp_path: Path) -> None:
    async with counter(tmp_path, {"zoo": CATALOGS["zoo"]}) as at:
        at.lay("new", tools=[tool("fresh")])
        at.at.write({"zoo": catalog_server(tmp_path, "zoo"), "new": catalog_server(tmp_path, "new")})
        assert at.of().tool("new__fresh") is None
        await at.at.apply()
        assert at.of().tool("new__fresh") == Target("new", "fresh")
