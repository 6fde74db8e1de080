"""Every tool, prompt and resource that the official conformance suite names, behaving as its scenarios describe."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
from mcp.shared.exceptions import MCPError

from tests.conformance.asking import INVALID, ROOTS, Call, Question, Result, Schema, elicit, sample

MISSING_CAPABILITY = -32021
PAUSE = 0.05
"""Seconds between two messages of a tool that reports on the way."""


# Content


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def content(*blocks: Mapping[str, Any], **members: Any) -> Result:
    return {"content": list(blocks), **members}


def embedded(uri: str, value: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": value}}


def _png() -> bytes:
    """One red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def _wav() -> bytes:
    """Four samples of silence."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    data = b"\x80" * 4
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


PNG, WAV = (base64.b64encode(data).decode() for data in (_png(), _wav()))
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": WAV, "mimeType": "audio/wav"}


# Tools

Tool: TypeAlias = Callable[[Call], Awaitable[Result]]
EMPTY: Schema = {"type": "object", "properties": {}}


@dataclass(slots=True)
class Offered:
    """What is listed and called. The trigger tools count up the extra ones, so that no two lists are the same."""

    tools: dict[str, tuple[Schema, Tool]] = field(default_factory=dict)
    extra_tool: int = 0
    extra_prompt: int = 0


OFFERED = Offered()


def tool(name: str, schema: Schema = EMPTY) -> Callable[[Tool], Tool]:
    def keep(function: Tool) -> Tool:
        OFFERED.tools[name] = (schema, function)
        return function

    return keep


def fixed(name: str, *blocks: Mapping[str, Any], **members: Any) -> None:
    @tool(name)
    async def answer(call: Call) -> Result:
        return content(*blocks, **members)


def one(name: str) -> Schema:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


fixed("test_simple_text", text("A simple text."))
fixed("test_image_content", IMAGE)
fixed("test_audio_content", AUDIO)
fixed("test_embedded_resource", embedded("test://embedded-resource", "An embedded resource."))
fixed("test_error_handling", text("It always fails."), isError=True)
fixed(
    "test_multiple_content_types",
    text("Several kinds:"),
    IMAGE,
    embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
)


@tool("test_tool_with_logging")
async def with_logging(call: Call) -> Result:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await call.log(words)
        await anyio.sleep(PAUSE)
    return content(text("logged"))


@tool("test_logging_tool")
async def logging_tool(call: Call) -> Result:
    await call.log("only for those who ask for it")
    return content(text("logged, perhaps"))


@tool("test_tool_with_progress")
async def with_progress(call: Call) -> Result:
    for done in (0, 50, 100):
        await call.progress(done, 100)
        await anyio.sleep(PAUSE)
    return content(text("done"))


@tool("test_sampling", one("prompt"))
async def sampling(call: Call) -> Result:
    answers = await call.ask(sampled=sample(call.arguments["prompt"]))
    return content(text(f"LLM response: {json.dumps(answers['sampled'].get('content'))}"))


@tool("test_elicitation", one("message"))
async def elicitation(call: Call) -> Result:
    name = {"type": "string", "description": "User's response"}
    mail = {"type": "string", "description": "User's email address"}
    answers = await call.ask(form=elicit(call.arguments["message"], username=name, email=mail))
    return content(text(f"User response: {json.dumps(answers['form'])}"))


async def completed(call: Call, question: Question) -> Result:
    form = (await call.ask(form=question))["form"]
    return content(
        text(f"Elicitation completed: action={form.get('action')}, content={json.dumps(form.get('content'))}")
    )


@tool("test_elicitation_sep1034_defaults")
async def elicitation_defaults(call: Call) -> Result:
    form = elicit(
        "Look at the defaults",
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    return await completed(call, form)


@tool("test_elicitation_sep1330_enums")
async def elicitation_enums(call: Call) -> Result:
    plain = {"type": "string", "enum": ["option1", "option2", "option3"]}
    titled = [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]
    form = elicit(
        "Choose",
        untitledSingle=plain,
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        untitledMulti={"type": "array", "items": plain},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )
    return await completed(call, form)


@tool("test_streaming_elicitation")
async def streaming_elicitation(call: Call) -> Result:
    return await completed(call, elicit("In the middle of a stream", ok={"type": "boolean"}))


NAME = elicit("What is your name?", name={"type": "string"})
CONFIRM = elicit("Please confirm", ok={"type": "boolean"})


@tool("test_input_required_result_elicitation")
async def input_elicitation(call: Call) -> Result:
    answer = (await call.ask(user_name=NAME))["user_name"]
    return content(text(f"Hello, {(answer.get('content') or {}).get('name')}!"))


@tool("test_input_required_result_sampling")
async def input_sampling(call: Call) -> Result:
    answer = (await call.ask(capital_question=sample("What is the capital of France?")))["capital_question"]
    return content(text(json.dumps(answer.get("content"))))


@tool("test_input_required_result_list_roots")
async def input_roots(call: Call) -> Result:
    return content(text(json.dumps((await call.ask(client_roots=ROOTS))["client_roots"].get("roots"))))


@tool("test_input_required_result_request_state")
async def input_state(call: Call) -> Result:
    await call.ask(confirm=CONFIRM)
    return content(text("state-ok"))


OFFERED.tools["test_input_required_result_tampered_state"] = (EMPTY, input_state)


@tool("test_input_required_result_multiple_inputs")
async def input_several(call: Call) -> Result:
    answers = await call.ask(user_name=NAME, greeting=sample("Generate a greeting", 50), client_roots=ROOTS)
    return content(text(json.dumps(sorted(answers))))


@tool("test_input_required_result_multi_round")
async def input_rounds(call: Call) -> Result:
    first = await call.ask(step1=elicit("Step 1: What is your name?", name={"type": "string"}))
    second = await call.ask(step2=elicit("Step 2: What is your favorite color?", color={"type": "string"}))
    return content(text(json.dumps([first, second])))


@tool("test_input_required_result_capabilities")
async def input_capabilities(call: Call) -> Result:
    questions = {"user_name": NAME, "greeting": sample("Say hello")}
    declared = call.capabilities
    answers = await call.ask(**{key: asked for key, asked in questions.items() if asked.capability in declared})
    return content(text(json.dumps(answers)))


@tool("test_missing_capability")
async def missing_capability(call: Call) -> Result:
    if "sampling" not in call.capabilities:
        wanted: Result = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_CAPABILITY, "This tool needs sampling", wanted)
    return content(text("sampling is there"))


@tool("test_trigger_tool_change")
async def trigger_tool_change(call: Call) -> Result:
    OFFERED.extra_tool += 1
    await call.tell_of_tools()
    return content(text("changed"))


@tool("test_trigger_prompt_change")
async def trigger_prompt_change(call: Call) -> Result:
    OFFERED.extra_prompt += 1
    await call.tell_of_prompts()
    return content(text("changed"))


HEADED: Schema = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}
DIALECT: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool("test_header_mirroring", HEADED)
async def headed(call: Call) -> Result:
    return content(text(str(call.arguments.get("region"))))


@tool("json_schema_2020_12_tool", DIALECT)
async def dialect(call: Call) -> Result:
    return content(text(json.dumps(dict(call.arguments))))


# Prompts and resources

PROMPTS: Mapping[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


def messages(*blocks: Mapping[str, Any]) -> Result:
    return {"messages": [{"role": "user", "content": dict(block)} for block in blocks]}


async def prompt(call: Call) -> Result:
    """The answer to prompts/get."""
    given = call.arguments
    match call.params["name"]:
        case "test_simple_prompt":
            return messages(text("A simple prompt."))
        case "test_prompt_with_arguments":
            return messages(text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"))
        case "test_prompt_with_embedded_resource":
            return messages(embedded(given["resourceUri"], "Embedded content."), text("Look at the resource above."))
        case "test_prompt_with_image":
            return messages(IMAGE, text("Look at the image above."))
        case "test_input_required_result_prompt":
            asked = elicit("What context should the prompt use?", context={"type": "string"})
            answer = (await call.ask(user_context=asked))["user_context"]
            return messages(text(f"In the context of {json.dumps(answer.get('content'))}"))
        case name:
            raise MCPError(INVALID, f"Unknown prompt: {name}")


RESOURCES: Mapping[str, Mapping[str, str]] = {
    "test://static-text": {"mimeType": "text/plain", "text": "The text of a resource that never changes."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Somebody may watch this."},
}
TEMPLATE = "test://template/{id}/data"
_BEFORE, _AFTER = TEMPLATE.split("{id}")


def resource(uri: str) -> Result:
    """The answer to resources/read."""
    if uri in RESOURCES:
        return {"contents": [{"uri": uri, **RESOURCES[uri]}]}
    if uri.startswith(_BEFORE) and uri.endswith(_AFTER):
        found = uri[len(_BEFORE) : -len(_AFTER)]
        data = json.dumps({"id": found, "templateTest": True, "data": f"Data for ID: {found}"})
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": data}]}
    raise MCPError(INVALID, "Resource not found", {"uri": uri})
