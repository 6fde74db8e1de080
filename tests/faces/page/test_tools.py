"""Trying a tool: forms made of schemas that servers wrote, calls through the gate, and answers that are only text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.faces.page import arguments, tools
from reconciler.faces.page.arguments import WHOLE, arguments_of, fields_of
from reconciler.faces.page.tool_answer import MOST_SHOWN, answer_of
from reconciler.gate.turn import Patience
from tests.engine.desk import light
from tests.engine.listing import lay, listed, reached
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:try")]

SAY: dict[str, Any] = {
    "name": "say",
    "description": "Says it. <script>alert(1)</script>\u202e",
    "inputSchema": {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "What <b>to</b> say"},
            "times": {"type": "integer", "default": 2},
            "loud": {"type": "boolean"},
            "mood": {"enum": ["calm", 3, None]},
            "rest": {"type": "object"},
        },
        "required": ["text"],
    },
}


async def applied(engine: Hosted) -> None:
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
    assert answer.status == 200, answer.body


async def tried(visitor: Visitor, server: str, tool: str, **typed: Any) -> Shown:
    """Fill the form of a tool in and send it."""
    page = await visitor.page(f"servers/{server}/try?tool={tool}")
    return await visitor.press(page, f"/servers/{server}/try", **typed)


def answered(page: Shown) -> str:
    return page.one(id="answer").text


def kinds(schema: Any) -> list[tuple[str, str, bool]]:
    return [(field.name, field.kind, field.required) for field in fields_of(schema)]


async def test_each_argument_is_a_field_of_its_kind() -> None:
    properties = {
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "real": {"type": "number"},
        "yes": {"type": "boolean"},
        "one": {"enum": ["a", "b"]},
        "fixed": {"const": 7},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "also": {"type": ["integer", "null"]},
        "either": {"type": ["integer", "string"]},
        "list": {"type": "array"},
        "any": True,
    }
    assert kinds({"type": "object", "properties": properties, "required": ["whole", "any"]}) == [
        ("text", "text", False),
        ("whole", "integer", True),
        ("real", "number", False),
        ("yes", "boolean", False),
        ("one", "choice", False),
        ("fixed", "choice", False),
        ("maybe", "text", False),
        ("also", "integer", False),
        ("either", "json", False),
        ("list", "json", False),
        ("any", "json", True),
    ]


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {},
        {"properties": []},
        {"properties": {}, "required": {"a": 1}},
        {"properties": None, "required": [[1], 2, "no"]},
    ],
)
async def test_a_schema_that_says_no_arguments_is_a_form_without_fields(schema: Any) -> None:
    assert fields_of(schema) == ()


@pytest.mark.parametrize(
    "said",
    [
        {"type": 7, "description": 8, "title": [], "enum": {"a": 1}, "anyOf": 3},
        {"type": ["string", "string"], "enum": [], "oneOf": [1, None]},
        {"anyOf": [{"type": "null"}, 5, {"type": "string"}], "default": {"a": 1}},
        {"type": "unheard of", "$ref": "#/$defs/x"},
        "text",
    ],
)
async def test_a_field_of_a_senseless_schema_takes_any_json(said: Any) -> None:
    (field,) = fields_of({"properties": {"a": said}})
    assert (field.kind, field.takes, field.description) == ("json", field.takes, "")
    assert arguments_of([field], {field.id: '{"b": [1]}'})[0] in ({"a": {"b": [1]}}, {})


async def test_very_many_arguments_are_written_as_one_object() -> None:
    many = {f"a{number}": {"type": "string"} for number in range(arguments.MOST_FIELDS + 1)}
    for fields in (fields_of({"properties": many}), fields_of(SAY["inputSchema"], whole=True)):
        assert [field.id for field in fields] == [WHOLE]
        assert arguments_of(fields, {WHOLE: '{"b": 1}'}) == ({"b": 1}, {})
        assert arguments_of(fields, {WHOLE: "[1]"}) == ({}, {WHOLE: "must be an object, as JSON"})
        assert arguments_of(fields, {WHOLE: " "}) == ({}, {WHOLE: "is missing"})


SENT: list[tuple[Any, bool, str, Any]] = [
    ({"type": "string"}, True, "", ""),
    ({"type": "string"}, False, "", ...),
    ({"type": "string"}, False, " a\r\nb ", " a\nb "),
    ({"type": "integer"}, False, " 12 ", 12),
    ({"type": "integer"}, False, "1.5", "must be a whole number"),
    ({"type": "integer"}, False, "12 apples", "must be a number"),
    ({"type": "number"}, False, "-1.5e2", -150.0),
    ({"type": "number"}, False, "1e999", "must be a number"),
    ({"type": "number"}, False, "NaN", "must be a number"),
    ({"type": "number"}, False, "true", "must be a number"),
    ({"type": "number"}, True, "", "is missing"),
    ({"type": "boolean"}, False, "", ...),
    ({"type": "boolean"}, False, "false", False),
    ({"type": "boolean"}, False, "yes", "must be true or false"),
    ({"enum": ["a", 1, True]}, False, "2", True),
    ({"enum": ["a"]}, False, "1", "must be one of the choices"),
    ({"enum": ["a"]}, False, "-1", "must be one of the choices"),
    ({"type": "array"}, False, "[1, 2]", [1, 2]),
    ({"type": "array"}, False, "{}", "must be a list, as JSON"),
    ({"type": ["array", "null"]}, False, "null", None),
    ({"type": ["boolean", "string"]}, False, "1", "must be a boolean or a text, as JSON"),
    ({"type": ["boolean", "string"]}, False, "true", True),
    ({"type": ["number", "string"]}, False, "1", 1),
    ({"type": ["number", "string"]}, False, '"1"', "1"),
    ({"type": ["number", "object"]}, False, "false", "must be a number or an object, as JSON"),
    ({}, False, '{"a": 1, "a": 2}', "is not JSON: an object has the same member twice"),
    ({}, False, "[" * 5000, "is not JSON: nested too deeply"),
]


@pytest.mark.parametrize(("said", "required", "text", "means"), SENT)
async def test_what_is_typed_becomes_a_value_or_a_sentence(said: Any, required: bool, text: str, means: Any) -> None:
    fields = fields_of({"properties": {"a": said}, "required": ["a"] if required else []})
    values, wrong = arguments_of(fields, {"a0": text})
    if isinstance(means, str) and wrong:
        assert (values, wrong) == ({}, {"a0": means})
    else:
        assert (json.dumps(values), wrong) == (json.dumps({} if means is ... else {"a": means}), {})


async def test_a_default_is_filled_in_where_a_person_sees_the_whole_of_it() -> None:
    def filled(**said: Any) -> str:
        return fields_of({"properties": {"a": said}})[0].default

    assert filled(type="string", default="two\nlines") == "two\nlines"
    assert filled(type="string", default="a\u200bb") == ""
    assert filled(type="string", default="x" * (arguments.MOST_PREFILLED + 1)) == ""
    assert filled(type="boolean", default=True) == "true"
    assert filled(type="object", default={"a": [1]}) == '{"a": [1]}'
    assert filled(enum=[1, True], default=True) == "1"
    assert filled(enum=["a"], default="b") == ""


def shown(result: Mapping[str, Any], secret: str = "none of it") -> list[tuple[str, str, int]]:
    pieces = answer_of(result, lambda text: text.replace(secret, "***")).pieces
    return [(piece.title, piece.text, piece.left) for piece in pieces]


async def test_everything_in_an_answer_is_named_and_its_texts_are_shown_without_secrets() -> None:
    content: list[Any] = [
        {"type": "text", "text": "the hushed word"},
        {"type": "image", "mimeType": "image/png", "data": "aGVsbG8h"},
        {"type": "resource", "resource": {"uri": "note://hushed", "text": "inside"}},
        {"type": "resource_link", "uri": "https://elsewhere.example/"},
        {"type": "text", "text": 7},
        5,
    ]
    assert shown({"content": content, "structuredContent": {"hushed": 1}}, "hushed") == [
        ("", "the *** word", 0),
        ("image image/png, 6 bytes", "", 0),
        ("resource note://***", "inside", 0),
        ("resource https://elsewhere.example/", "", 0),
        ("text ", "", 0),
        ("None ", "", 0),
        ("structured content", '{\n  "***": 1\n}', 0),
    ]
    assert shown({"content": {"type": "text"}}) == []


async def test_what_a_server_asks_back_is_shown() -> None:
    questions = {"a": {"params": {"message": "Which of the hushed?"}}, "b": {"params": 7}, "c": None}
    result = {"resultType": "input_required", "inputRequests": questions}
    assert answer_of(result, str).asks_back
    assert [text for _, text, _ in shown(result, "hushed")] == ["Which of the ***?", "something", "something"]


async def test_a_huge_answer_is_cut_and_says_so() -> None:
    (first,) = shown({"content": [{"type": "text", "text": "x" * (MOST_SHOWN + 5)}]})
    assert (len(first[1]), first[2]) == (MOST_SHOWN, 5)
    first, rest = shown({"content": [{"type": "text", "text": "x" * MOST_SHOWN}, {"type": "text", "text": "more"}]})
    assert (first[2], rest) == (0, ("more", "", 4))
    assert len(shown({"content": [{"type": "text", "text": ""}] * 100_000})) < 5_000


async def test_a_tool_is_called_with_what_the_form_says_and_the_answer_is_text(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        hostile = "<img src=x onerror=alert(1)>\r\n\u202eback\x1b"
        page = await tried(visitor, "s", "echo", a0=hostile)
        assert page.path == "/ui/servers/s/try"
        assert "isError: false" in answered(page)
        assert "<img src=x onerror=alert(1)>\n\\u202eback\\x1b" in answered(page)
        assert not page.one(id="answer").has("img")
        again = await visitor.page("servers/s/try?tool=echo")
        assert again.one("textarea", id="a0").text.strip("\r\n") == hostile.replace("\r\n", "\n").replace("\n", "\r\n")
        assert answered(again) == answered(page)


async def test_a_call_is_the_visitors_own_yes_and_on_record(tmp_path: Path) -> None:
    asks = light("s", requireApproval=True)
    async with hosted(tmp_path, {"s": asks}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s/try?tool=echo")
        assert "Calling it here is your own yes" in page.one(id="tool-state").text
        assert "hello" in answered(await tried(visitor, "s", "echo", a0="hello"))
        audit = (await engine.ask("GET", "/api/v1/audit", "viewer")).json["audit"]
        assert [(row["principal"], row["decision"], row["outcome"]) for row in audit] == [
            ("visitor", "operator", "started"),
            ("visitor", "operator", "done"),
        ]


async def test_a_call_of_somebody_who_may_not_approve_waits_and_says_where(tmp_path: Path) -> None:
    asks = light("s", requireApproval=True)
    async with hosted(tmp_path, {"s": asks}) as engine, visiting(engine.host, "client") as visitor:
        await applied(engine)
        engine.host.root.gate.patience = Patience(whole=0.2)
        page = await tried(visitor, "s", "echo", a0="hello")
        assert "Waits for approval" in answered(page)
        assert page.one("a", id="to-approvals").attributes["href"] == "/ui/approvals"
        assert engine.host.root.gate.approvals.waiting == 1


async def test_a_visitor_who_only_looks_calls_nothing(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[SAY])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine, visiting(engine.host, "viewer") as visitor:
        await applied(engine)
        assert "may look and not call" in answered(await tried(visitor, "s", "say", a0="hello"))
        assert reached(tmp_path, "s") == []


async def test_a_server_that_says_its_call_waits_is_not_believed(tmp_path: Path) -> None:
    facts = {"id": "call-1", "state": "waiting"}
    lie = {"content": [{"type": "text", "text": "nothing ran"}], "_meta": {"reconciler/approval": facts}}
    mock = {"mock": {"tools": [{"name": "lie"}], "responses": {"lie": lie}}, "command": "none"}
    async with hosted(tmp_path, {"s": mock}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await tried(visitor, "s", "lie")
        assert "nothing ran" in answered(page) and "Waits" not in answered(page)


async def test_what_is_no_value_is_said_and_nothing_is_called(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[SAY])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await tried(visitor, "s", "say", a0="hello", a1="many", a4="[1]")
        said = [" ".join(item.text.split()) for item in page.one(id="answer").all("li")]
        assert said == ["times must be a number", "rest must be an object, as JSON"]
        assert [link.attributes["href"] for link in page.one(id="answer").all("a")] == ["#a1", "#a4"]
        assert page.one("input", id="a1").attributes["value"] == "many"
        assert reached(tmp_path, "s") == []
        page = await tried(visitor, "s", "say", a0="hello", a1="3", a4="")
        assert "Answered" in answered(page) and reached(tmp_path, "s") == ["tools/call say"]


async def test_arguments_are_written_as_json_too(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s/try?tool=echo&as=json")
        page = await visitor.press(page, "/servers/s/try", arguments='{"text": "by hand"}')
        assert "by hand" in answered(page)
        assert page.one("textarea", id=WHOLE).text.strip() == '{"text": "by hand"}'


async def test_a_tool_that_became_another_is_looked_at_again_first(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[SAY])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s/try?tool=say")
        old = page.form("/servers/s/try").fields
        lay(tmp_path, "s", tools=[{**SAY, "description": "Deletes it."}])
        await engine.ask("POST", "/api/v1/servers/s/restart", "operator", {})
        page = await visitor.send("servers/s/try", old, a0="hello")
        assert "Nothing was called" in page.one(id="said").text
        assert "Deletes it." in page.html and reached(tmp_path, "s") == []
        gone = await visitor.send("servers/s/try", tool="other", definition="")
        assert "Nothing was called" in gone.one(id="said").text


async def test_what_the_lock_withholds_has_no_form_and_is_not_called(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[SAY])
    async with (
        hosted(tmp_path, {"s": listed(tmp_path, "s", lock="enforce")}) as engine,
        visiting(engine.host) as visitor,
    ):
        await applied(engine)
        page = await visitor.page("servers/s/try?tool=say")
        assert "Withheld" in page.one(id="tool-state").text and not page.has("button", id="call")
        digest = engine.host.root.offers.policy("s")
        assert digest is not None
        page = await visitor.send("servers/s/try", tool="say", definition=digest.tools["say"], a0="hello")
        assert "is withheld" in answered(page) and reached(tmp_path, "s") == []


async def test_a_call_that_fails_says_why(tmp_path: Path) -> None:
    failed = {"content": [{"type": "text", "text": "no such day"}], "isError": True}
    mock = {"mock": {"tools": [{"name": "day"}], "responses": {"day": failed}}, "command": "none"}
    async with hosted(tmp_path, {"m": mock, "s": light("s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await tried(visitor, "m", "day")
        assert "isError: true" in answered(page) and "no such day" in answered(page)
        page = await tried(visitor, "s", "crash", a0="3")
        assert page.one(id="answer").one("h2").text == "Failed" and "3" in answered(page)


async def test_an_answer_that_takes_its_time_is_shown_when_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "SOON", 0.05)
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await tried(visitor, "s", "sleep", a0="600")
        assert "It runs" in answered(page)
        with anyio.fail_after(20):
            while "slept" not in answered(page):
                await engine.host.root.news.after(engine.host.root.news.number)
                page = await visitor.page("servers/s/try?tool=sleep")


async def test_the_page_of_a_tool_shows_hostile_texts_and_loads_nothing(tmp_path: Path) -> None:
    icons = [{"src": "https://evil.example/icon.svg"}]
    lay(tmp_path, "s", tools=[{**SAY, "icons": icons, "annotations": {"title": "</pre><script>alert(2)"}}])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s/try?tool=say")
        assert "Says it. <script>alert(1)</script>\\u202e" in page.text and "What <b>to</b> say" in page.text
        assert "</pre><script>alert(2)" in page.text and "\u202e" not in page.html
        assert [script.attributes["src"] for script in page.all("script")] == ["/ui/static/page.js"]
        assert "evil.example" not in page.html
        assert [option.text for option in page.one("select", id="a3").all("option")] == [
            "not said",
            "calm",
            "3",
            "null",
        ]


async def test_a_tool_that_is_not_listed_is_said_to_be_none_and_a_server_that_is_not_there_is_not_found(
    tmp_path: Path,
) -> None:
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s/try?tool=%22%3E%3Cscript%3E")
        assert "lists no tool of this name" in page.text and not page.has("button", id="call")
        assert (await visitor.page("servers/none/try?tool=x")).status == 404
        assert (await visitor.send("servers/none/try", tool="x")).status == 404
