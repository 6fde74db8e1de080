"""What a server offers: every page up to the caps, each tool judged on its own, nothing dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sessions.limits import LIMITS, Limits
from reconciler.sessions.listing import judge, list_again, list_all
from reconciler.sessions.session import DeadlineExceeded, End, Era, Handshake, Progress, RpcError
from tests.requirements import requirement
from tests.sessions.rigged import opened

pytestmark = [pytest.mark.anyio, requirement("LIVE-1:tools-listed")]

ALL: dict[str, Any] = {"tools": {}, "prompts": {}, "resources": {}}


class Paged:
    """A session that answers lists from a function of method and cursor."""

    pid = None
    hears = True

    def __init__(
        self, page: Callable[[str, str | None], Any], capabilities: Mapping[str, Any], era: Era = "handshake"
    ) -> None:
        self.handshake = Handshake(era, "2025-11-25", capabilities=capabilities)
        self.page = page
        self.asked: list[tuple[str, str | None]] = []

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Any = None,
    ) -> dict[str, Any]:
        cursor = (params or {}).get("cursor")
        self.asked.append((method, cursor))
        await checkpoint()
        return self.page(method, cursor)  # type: ignore[no-any-return]

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None: ...

    async def ended(self) -> End:
        return End("never")


def tool(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **members}


async def test_all_lists_are_fetched_raw() -> None:
    lists = {
        "tools/list": {"tools": [tool("a", vendor={"x": 1})]},
        "prompts/list": {"prompts": [{"name": "p", "vendor": 2}]},
        "resources/list": {"resources": [{"uri": "file:///r", "vendor": 3}, "odd"]},
        "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "x:{y}"}]},
    }
    listing = await list_all(Paged(lambda method, _: lists[method], ALL), timeout=5)
    assert listing.tools == (tool("a", vendor={"x": 1}),)
    assert listing.prompts == ({"name": "p", "vendor": 2},)
    assert listing.resources == ({"uri": "file:///r", "vendor": 3},)
    assert listing.resource_templates == ({"uriTemplate": "x:{y}"},)
    assert (listing.withheld, listing.truncated) == ((), None)


async def test_only_what_is_declared_is_asked_for() -> None:
    session = Paged(lambda *_: {}, {"prompts": {}, "resources": False, "logging": {}})
    assert (await list_all(session, timeout=5)).tools == ()
    assert [method for method, _ in session.asked] == ["prompts/list"]


async def test_a_list_that_does_not_exist_after_all_is_empty_but_for_the_tools() -> None:
    def page(method: str, _: str | None) -> Any:
        if method == refused:
            raise RpcError({"code": -32601, "message": "Method not found"})
        return {"tools": [tool("a")]}

    refused = "resources/templates/list"
    assert len((await list_all(Paged(page, ALL), timeout=5)).tools) == 1
    refused = "tools/list"
    with pytest.raises(RpcError):
        await list_all(Paged(page, ALL), timeout=5)


# Pages (E01)


async def test_cursors_in_a_circle_stop_and_are_reported() -> None:
    async with opened("evil", "circle") as session:
        listing = await list_all(session, timeout=5)
    assert [found["name"] for found in listing.tools] == ["circlenone", "circlea", "circleb"]
    assert listing.truncated == "tools/list: its cursors go round in circles"


async def test_pages_without_end_stop_at_the_cap_and_are_reported() -> None:
    async with opened("evil", "pages") as session:
        listing = await list_all(session, timeout=5)
    assert len(listing.tools) == LIMITS.pages
    assert listing.truncated == "tools/list: more than 50 pages"


async def test_what_is_no_list_is_empty_and_reported() -> None:
    listing = await list_all(Paged(lambda *_: {"tools": "all of them"}, {"tools": {}}), timeout=5)
    assert (listing.tools, listing.truncated) == ((), "tools/list: its tools are no list")
    assert (await list_all(Paged(lambda *_: {"tools": None}, {"tools": {}}), timeout=5)).truncated is None


async def test_an_empty_cursor_is_not_the_end() -> None:
    async with opened("evil", "blank") as session:
        listing = await list_all(session, timeout=5)
    assert [found["name"] for found in listing.tools] == ["first", "second"]
    assert listing.truncated is None


@pytest.mark.parametrize(("count", "truncated"), [(500, None), (501, "tools/list: more than 500 entries")])
async def test_five_hundred_tools_pass_and_one_more_is_reported(count: int, truncated: str | None) -> None:
    async with opened("evil", "many", str(count)) as session:
        listing = await list_all(session, timeout=5)
    assert (len(listing.tools), listing.truncated) == (500, truncated)


@pytest.mark.parametrize(("pages", "truncated"), [(3, None), (4, "prompts/list: more than 3 pages")])
async def test_as_many_pages_as_allowed_pass_and_one_more_is_reported(pages: int, truncated: str | None) -> None:
    def page(_: str, cursor: str | None) -> Any:
        number = int(cursor or 1)
        following = {"nextCursor": str(number + 1)} if number < pages else {"nextCursor": None}
        return {"prompts": [{"name": cursor}], **following}

    listing = await list_all(Paged(page, {"prompts": {}}), timeout=5, limits=Limits(pages=3))
    assert (len(listing.prompts), listing.truncated) == (3, truncated)


@pytest.mark.parametrize("count", [4, 5])
async def test_other_lists_have_their_own_cap(count: int) -> None:
    session = Paged(lambda *_: {"resources": [{"uri": str(n)} for n in range(count)]}, {"resources": {}})
    listing = await list_all(session, timeout=5, limits=Limits(entries=4))
    assert len(listing.resources) == 4
    assert listing.truncated == (None if count == 4 else "resources/list: more than 4 entries")


@pytest.mark.parametrize("spare", [0, -1])
async def test_a_list_as_large_as_allowed_passes_and_one_more_byte_is_reported(spare: int) -> None:
    tools = [tool("a"), tool("b", title="ü")]
    size = sum(len(json.dumps(each, separators=(",", ":"), ensure_ascii=False).encode()) for each in tools)
    limits = Limits(listing=size + spare)
    listing = await list_all(Paged(lambda *_: {"tools": tools}, {"tools": {}}), timeout=5, limits=limits)
    assert len(listing.tools) == 2 + spare
    assert (listing.truncated is None) == (spare == 0)


@pytest.mark.parametrize("cursor", [1, True, {}, []])
async def test_a_cursor_that_is_no_text_is_reported(cursor: Any) -> None:
    session = Paged(lambda *_: {"tools": [tool("a")], "nextCursor": cursor}, {"tools": {}})
    listing = await list_all(session, timeout=5)
    assert listing.truncated == "tools/list: a cursor that is no text"


@pytest.mark.parametrize("tools", [None, "text", 1, {}])
async def test_a_list_that_is_none_is_empty(tools: Any) -> None:
    assert (await list_all(Paged(lambda *_: {"tools": tools}, {"tools": {}}), timeout=5)).tools == ()


async def test_all_lists_share_one_deadline() -> None:
    session = Paged(lambda _, cursor: {"tools": [], "nextCursor": (cursor or "") + "x"}, ALL)
    with pytest.raises(DeadlineExceeded):
        await list_all(session, timeout=0)


# Tools (E02, E03)


async def test_bad_tools_are_withheld_with_a_reason_and_the_others_stay() -> None:
    async with opened("evil", "twins") as session:
        listing = await list_all(session, timeout=5)
    assert [found["name"] for found in listing.tools] == ["good"]
    bad_name = "its name is not 1 to 128 of A-Z a-z 0-9 _ . -"
    assert listing.withheld == (
        ("twin", "several tools have this name"),
        ("twin", "several tools have this name"),
        ("../../etc/passwd", bad_name),
        ("a\\u202eb", bad_name),
        ("new\\nline", bad_name),
        ("\\u0430dmin", bad_name),
        ("x" * 80, bad_name),
        ("#9", bad_name),
        ("shapeless", "its inputSchema does not describe an object"),
        ("untyped", "its inputSchema does not describe an object"),
        ("#12", "it is no object"),
        ("#13", bad_name),
    )


@pytest.mark.parametrize("name", ["a" * 128, "a-b_c.D9", "."])
def test_a_name_at_the_limit_passes(name: str) -> None:
    assert judge([tool(name)]).tools == (tool(name),)


@given(st.text(max_size=200))
def test_a_name_is_offered_only_when_it_cannot_deceive_and_shown_only_escaped(name: str) -> None:
    found = judge([tool(name)])
    if found.tools:
        assert name.isascii() and 0 < len(name) <= 128 and name.isprintable() and "/" not in name and " " not in name
    else:
        ((shown, _),) = found.withheld
        assert shown.isascii() and shown.isprintable()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("description", 1),
        ("title", []),
        ("outputSchema", "x"),
        ("annotations", []),
        ("_meta", 1),
        ("description", None),
    ],
)
def test_a_member_of_the_wrong_kind_withholds_its_tool_alone(member: str, value: Any) -> None:
    found = judge([tool("bad", **{member: value}), tool("good")])
    assert [each["name"] for each in found.tools] == ["good"]
    assert member in found.withheld[0][1]


@pytest.mark.parametrize("member", ["inputSchema", "outputSchema"])
def test_a_schema_at_its_limits_passes_and_one_more_does_not(member: str) -> None:
    def of_size(size: int) -> dict[str, Any]:
        empty = {"type": "object", "x": ""}
        return {"type": "object", "x": "y" * (size - len(json.dumps(empty, separators=(",", ":"))))}

    def of_depth(depth: int) -> dict[str, Any]:
        inner: Any = []
        for _ in range(depth - 2):
            inner = [inner]
        return {"type": "object", "x": inner}

    schemas = [of_size(64 * 1024), of_size(64 * 1024 + 1), of_depth(32), of_depth(33)]
    found = judge(tool(f"t{place}", **{member: schema}) for place, schema in enumerate(schemas))
    assert [each["name"] for each in found.tools] == ["t0", "t2"]
    assert found.withheld == (
        ("t1", f"its {member} is larger than 65536 bytes"),
        ("t3", f"its {member} nests deeper than 32"),
    )


@pytest.mark.parametrize(("size", "noted"), [(8192, False), (8193, True)])
def test_a_long_description_is_noted_and_kept(size: int, noted: bool) -> None:
    found = judge([tool("a", description="x" * size)])
    assert len(found.tools) == 1
    assert found.notes == ((("a", "its description is 8193 bytes long"),) if noted else ())


def test_a_twin_with_another_fault_still_takes_its_twin_along() -> None:
    found = judge([tool("a"), {"name": "a"}, tool("b")])
    assert [each["name"] for each in found.tools] == ["b"]


async def test_a_tool_that_mirrors_an_argument_wrongly_is_withheld_in_the_stateless_era() -> None:
    wrong = tool("wrong") | {
        "inputSchema": {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}
    }
    listed = {"tools": [tool("right"), wrong]}
    stateless = await list_all(Paged(lambda method, cursor: listed, {"tools": {}}, "stateless"), timeout=5)
    older = await list_all(Paged(lambda method, cursor: listed, {"tools": {}}), timeout=5)
    assert [each["name"] for each in stateless.tools] == ["right"]
    assert stateless.withheld == (
        ("wrong", "its x-mcp-header is on an argument that is no string, integer or boolean"),
    )
    assert [each["name"] for each in older.tools] == ["right", "wrong"]


async def test_only_the_lists_asked_for_are_read_again() -> None:
    lists: dict[str, Any] = {
        "tools/list": {"tools": [tool("one")]},
        "prompts/list": {"prompts": [{"name": "two"}]},
        "resources/list": {"resources": [{"uri": "three:"}]},
        "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "four:"}]},
    }
    session = Paged(lambda method, cursor: lists[method], ALL)
    before = await list_all(session, timeout=5)
    lists["tools/list"] = {"tools": [tool("new"), 7]}
    lists["resources/list"] = {"resources": []}
    session.asked.clear()
    again = await list_again(session, before, {"tools"}, timeout=5)
    assert [method for method, _ in session.asked] == ["tools/list"]
    assert [each["name"] for each in again.tools] == ["new"] and again.withheld == (("#2", "it is no object"),)
    assert again.resources == before.resources and again.prompts == before.prompts
    both = await list_again(session, again, {"resources"}, timeout=5)
    assert both.tools == again.tools and both.withheld == again.withheld and both.resources == ()


async def test_what_was_cut_is_said_until_that_list_is_read_whole() -> None:
    lists: dict[str, Any] = {"tools/list": {"tools": [tool("a"), tool("b")]}, "prompts/list": {"prompts": []}}
    session = Paged(lambda method, cursor: lists[method], {"tools": {}, "prompts": {}})
    limits = Limits(tools=1)
    cut = await list_all(session, timeout=5, limits=limits)
    assert cut.truncated == "tools/list: more than 1 entries"
    assert (await list_again(session, cut, {"prompts"}, timeout=5, limits=limits)).truncated == cut.truncated
    lists["tools/list"] = {"tools": [tool("a")]}
    assert (await list_again(session, cut, {"tools"}, timeout=5, limits=limits)).truncated is None
