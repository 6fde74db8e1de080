"""MCP clients without a library: JSON in and out as it is, so that answers can be compared byte for byte.

All of them declare the same capabilities and give the same answers when they are asked.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Protocol

import httpx2

HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
CAPABILITIES: Mapping[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}}
INFO = {"name": "raw", "version": "1"}
META = "io.modelcontextprotocol/"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "elicitation/create": {"action": "accept", "content": {"name": "Ada"}},
    "sampling/createMessage": {
        "role": "assistant",
        "content": {"type": "text", "text": "a sample"},
        "model": "none",
        "stopReason": "endTurn",
    },
}
SECONDS = 60.0


class Raw(Protocol):
    """`greeting` is the whole result of the handshake or of `server/discover`."""

    greeting: Mapping[str, Any]

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """`{"result": ...}` or `{"error": ...}`."""
        ...


def answered(question: Mapping[str, Any]) -> dict[str, Any]:
    """The message that answers a server's question."""
    found = answer(question)
    outcome = {"result": found} if found else {"error": {"code": -32601, "message": "Method not found"}}
    return {"jsonrpc": "2.0", "id": question["id"], **outcome}


def answer(question: Mapping[str, Any]) -> dict[str, Any] | None:
    """The result that answers a question. A form has its defaults where it was not filled in, as a client owes it."""
    found = _ANSWERS.get(question["method"])
    fields = question.get("params", {}).get("requestedSchema", {}).get("properties", {})
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    if found is None or question["method"] != "elicitation/create":
        return dict(found) if found else None
    return {**found, "content": {**defaults, **found["content"]}}


def _outcome(message: Mapping[str, Any]) -> dict[str, Any]:
    return {key: message[key] for key in ("result", "error") if key in message}


class Pipe:
    """A process that speaks lines, in the handshake era."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = count(1)
        hello = {"protocolVersion": HANDSHAKE, "capabilities": dict(CAPABILITIES), "clientInfo": INFO}
        self.greeting = self.ask("initialize", hello)["result"]
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "method" in message and "id" in message:
                self._send(answered(message))
            elif message.get("id") == number:
                return _outcome(message)
        raise RuntimeError(f"no answer to {method}")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


@contextmanager
def pipe(command: Sequence[str], environment: Mapping[str, str], folder: str) -> Iterator[Pipe]:
    """A client of a process started for it."""
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=dict(environment), cwd=folder, text=True, **streams) as process:
        try:
            yield Pipe(process)
        finally:
            process.terminate()


class Handshake:
    """Streamable HTTP with a session: questions come on the stream of the request, answers go in posts of their own."""

    def __init__(self, http: httpx2.Client, url: str) -> None:
        self._http = http
        self._url = url
        self.headers: dict[str, str] = {}
        self._numbers = count(1)
        hello = {"protocolVersion": HANDSHAKE, "capabilities": dict(CAPABILITIES), "clientInfo": INFO}
        self.greeting = self.ask("initialize", hello)["result"]
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        with self._http.stream("POST", self._url, json=request, headers=_accepting(self.headers)) as response:
            if "mcp-session-id" in response.headers:
                self.headers["mcp-session-id"] = response.headers["mcp-session-id"]
                self.headers["mcp-protocol-version"] = HANDSHAKE
            for message in _messages(response):
                if "method" in message and "id" in message:
                    self._post(answered(message))
                elif message.get("id") == number:
                    return _outcome(message)
        raise RuntimeError(f"no answer to {method}")

    def _post(self, message: Mapping[str, Any]) -> None:
        self._http.post(self._url, json=message, headers=_accepting(self.headers)).raise_for_status()


class Stateless:
    """Streamable HTTP without sessions: a result that asks is answered by the next request."""

    def __init__(self, http: httpx2.Client, url: str) -> None:
        self._http = http
        self._url = url
        self._numbers = count(1)
        self.greeting = self.ask("server/discover", {})["result"]

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        asked = dict(params)
        while True:
            outcome = self._once(method, asked)
            result = outcome.get("result", {})
            if result.get("resultType") != "input_required":
                return outcome
            questions = result["inputRequests"]
            answers = {key: answer(question) for key, question in questions.items()}
            asked = {**params, "inputResponses": answers, "requestState": result["requestState"]}

    def _once(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        meta = {
            META + "protocolVersion": STATELESS,
            META + "clientInfo": INFO,
            META + "clientCapabilities": dict(CAPABILITIES),
        }
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}
        headers = {"mcp-protocol-version": STATELESS, "mcp-method": method}
        if method in _NAMED:
            headers["mcp-name"] = str(params[_NAMED[method]])
        with self._http.stream("POST", self._url, json=request, headers=_accepting(headers)) as response:
            for message in _messages(response):
                if message.get("id") == number:
                    return _outcome(message)
        raise RuntimeError(f"no answer to {method}")


def _accepting(headers: Mapping[str, str]) -> dict[str, str]:
    return {"accept": "application/json, text/event-stream", **headers}


def _messages(response: httpx2.Response) -> Iterator[Mapping[str, Any]]:
    """What an answer holds, one message after the other, as they come."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        yield json.loads(response.read())
        return
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


@contextmanager
def http(token: str) -> Iterator[httpx2.Client]:
    """An HTTP client that brings a token."""
    with httpx2.Client(headers={"authorization": f"Bearer {token}"}, timeout=SECONDS) as client:
        yield client
