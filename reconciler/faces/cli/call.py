"""`reconciler call`: one tool call, by the owner."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.client import Answer
from reconciler.faces.cli.context import Options, shared
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.reach import reach
from reconciler.faces.cli.talk import data, data_json, tell


@click.command("call")
@click.argument("server")
@click.argument("tool")
@click.argument("arguments", metavar="[JSON|@FILE|-]", default="{}")
@shared("json", project=True)
def command(options: Options, server: str, tool: str, arguments: str) -> int:
    """Call a tool.

    The arguments are a JSON object: here, in a file (@FILE), or on standard input (-). Your own call is its own yes.
    With -o json the raw result is printed. Exit code 1 when the tool reports an error or the call is refused.
    """
    client = reach(options)
    given = _parsed(_text(arguments))
    result = client.call(server, tool, given, lambda news: _tell_progress(news, options.paint_talk))
    unfinished = result.get("resultType") == "input_required"
    if unfinished and not options.json:
        raise _asked_back(result, options.paint_talk)
    failed = bool(result.get("isError")) or unfinished
    if options.json:
        data_json(result)
    else:
        for line in content_lines(result, options.paint_talk if failed else options.paint):
            (tell if failed else data)(line)
    return Exit.SYSTEM if failed else Exit.DONE


def _asked_back(result: Mapping[str, Any], paint: Painter) -> Stop:
    """The server wants an answer from the user of a client before it goes on (MCP 2026-07-28, input_required)."""
    questions = _object(result.get("inputRequests")).values()
    said = [_object(_object(question).get("params")).get("message") for question in questions]
    words = "".join(f"; {paint.safe(text)}" for text in said if isinstance(text, str))
    hint = "call it from an MCP client that is connected to the gateway"
    return Stop(Exit.SYSTEM, "input-required", f"the server asks back, and nobody can answer it here{words}", hint)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(arguments: str) -> str:
    if arguments == "-":
        return sys.stdin.read()
    return Path(arguments[1:]).read_text(encoding="utf-8") if arguments.startswith("@") else arguments


def _parsed(text: str) -> dict[str, Any]:
    hint = """write an object, as in '{"timezone": "UTC"}'"""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise Stop(Exit.USAGE, "bad-arguments", f"the arguments are not JSON: {error}", hint) from error
    if not isinstance(value, dict):
        raise Stop(Exit.USAGE, "bad-arguments", "the arguments must be a JSON object", hint)
    return value


def _no_number(word: str) -> None:
    """NaN and the infinities, which Python reads, are not JSON (RFC 8259 section 6)."""
    raise ValueError(f"{word} is no number")


def _tell_progress(news: Answer, paint: Painter) -> None:
    if not paint.on_terminal:
        return
    total = f" of {news['total']}" if news.get("total") else ""
    said = f"  {paint.safe(str(news['message']))}" if news.get("message") else ""
    tell(paint.role(f"{news.get('progress', '')}{total}{said}", "muted"))


def content_lines(result: Mapping[str, Any], paint: Painter) -> Iterator[str]:
    """A CallToolResult for people: its texts, and what else there is by name; structured content where it is alone."""
    content = result.get("content") or []
    for item in content:
        yield from _item(item, paint)
    if not content and "structuredContent" in result:
        yield json.dumps(result["structuredContent"], indent=2)


def _item(item: Mapping[str, Any], paint: Painter) -> Iterator[str]:
    kind, resource = item.get("type"), item.get("resource") or {}
    text = item.get("text") if kind == "text" else resource.get("text")
    if isinstance(text, str):
        yield from paint.safe_lines(text)
    elif kind in ("resource", "resource_link"):
        yield f"[resource {paint.safe(str(item.get('uri') or resource.get('uri')))}]"
    else:
        data_size = f", {len(item['data']) * 3 // 4} bytes" if isinstance(item.get("data"), str) else ""
        yield f"[{paint.safe(str(kind))} {paint.safe(str(item.get('mimeType', '')))}{data_size}]"
