"""One request of the client to its answer, whatever that is. Nothing that may have an effect is sent twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reconciler.faces.bridge.headers import VERSION, ParamHeaders, mirrored
from reconciler.faces.bridge.link import Gone, Link, Response
from reconciler.faces.bridge.message import (
    FAILED,
    HEADER_MISMATCH,
    METHOD_NOT_FOUND,
    Message,
    answer_line,
    error_line,
    is_answer,
    json_object,
    on_one_line,
    request_line,
)
from reconciler.faces.bridge.session import JSON_HEADERS, Send, Session

_REPEATABLE = {
    *("initialize", "ping", "server/discover", "completion/complete", "prompts/get", "resources/read"),
    *("tools/list", "prompts/list", "resources/list", "resources/templates/list"),
}
"""Requests that change nothing: when the engine goes away in the middle, they are asked again."""
_TRIES = 3
_PAGES = 50
_NO_ANSWER = "the exchange ended without an answer"


class Undone(Exception):
    """The gateway refused before it did anything, for a reason that we can mend; else `line` is the answer."""

    def __init__(self, mend: Literal["session", "headers"], line: bytes) -> None:
        super().__init__(mend)
        self.mend = mend
        self.line = line


@dataclass(slots=True, eq=False)
class Carrier:
    """The way to the gateway, and what was learnt of it."""

    link: Link
    send: Send
    session: Session | None = None
    _version: str | None = None
    _params: ParamHeaders = field(default_factory=ParamHeaders)

    def headers(self, message: Message) -> dict[str, str]:
        """What a message of the client carries, by its era."""
        if message.version is not None:
            self._version = message.version if isinstance(message.version, str) else None
            return {**JSON_HEADERS, **mirrored(message, self._params)}
        if message.method == "initialize":
            return dict(JSON_HEADERS)
        if self.session is not None:
            return {**JSON_HEADERS, **self.session.headers}
        return {**JSON_HEADERS, **({VERSION: self._version} if self._version else {})}

    async def tell(self, message: Message) -> None:
        """Post what needs no answer: a notification, or the answer to a question. Raises Away, Gone."""
        async with self.link.exchange("POST", self.headers(message), message.line) as response:
            await response.read()

    async def carry(self, message: Message) -> None:
        """Post a request and send on what comes back. Raises Away, Gone, NotGreeted."""
        session = None if message.version is not None else self.session
        if message.method == "initialize":
            session = self.session = Session(self.link, self.send, message)
        mended: set[str] = set()
        for tries_left in reversed(range(_TRIES)):
            used = session.id if session else None
            try:
                await self._attempt(message, session)
                return
            except Undone as undone:
                mendable = session is not None if undone.mend == "session" else session is None
                if undone.mend in mended or not mendable:
                    await self.send(undone.line)
                    return
                mended.add(undone.mend)
                await (session.renew(used) if session else self._learn(message))
            except Gone:
                if not tries_left or message.method not in _REPEATABLE:
                    raise

    async def _attempt(self, message: Message, session: Session | None) -> None:
        async with self.link.exchange("POST", self.headers(message), message.line) as response:
            if response.kind == "text/event-stream":
                await self._stream(message, response, session)
                return
            body = await response.read()
            if response.status >= 400:
                await self.send(refusal(message, response.status, body))
            elif body:
                self._keep(message, response, session, body)
                await self.send(on_one_line(body))
            else:
                raise Gone(_NO_ANSWER)

    async def _stream(self, message: Message, response: Response, session: Session | None) -> None:
        async for data in response.events():
            ends = is_answer(json_object(data))
            if ends:
                self._keep(message, response, session, data)
            await self.send(on_one_line(data))
            if ends:
                return
        raise Gone(_NO_ANSWER)

    def _keep(self, message: Message, response: Response, session: Session | None, data: bytes) -> None:
        """Keep what later messages need of an answer."""
        if session is None and message.method == "tools/list":
            self._params.learn(json_object(data).get("result"))
        elif session is not None and message.method == "initialize":
            session.opened(response, json_object(data))
        elif session is not None:
            session.remember(message)

    async def _learn(self, message: Message) -> None:
        """List the tools for ourselves: the client calls one whose schema this process has not seen."""
        meta = {name: value for name, value in message.meta.items() if name != "progressToken"}
        params: Mapping[str, Any] = {"_meta": meta}
        for _ in range(_PAGES):
            line = request_line("tools/list", params)
            headers = self.headers(Message(line, json.loads(line)))
            async with self.link.exchange("POST", headers, line) as response:
                result = json_object(await response.read()).get("result")
            self._params.learn(result)
            cursor = result.get("nextCursor") if isinstance(result, dict) else None
            if not cursor:
                return
            params = {"_meta": meta, "cursor": cursor}


def refusal(message: Message, status: int, body: bytes) -> bytes:
    """The error answer for an HTTP error. Raises Undone where the request can be sent again."""
    error = json_object(body).get("error")
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    if type(code) is int:
        line = answer_line(message.id, error)
    else:
        said = str(error.get("message") or f"HTTP {status}")
        line = error_line(message.id, FAILED, said, reason="http", status=status)
    stateless = message.version is not None
    if status == 404 and not stateless and message.method != "initialize" and code != METHOD_NOT_FOUND:
        raise Undone("session", line)
    if code == HEADER_MISMATCH and stateless and message.method == "tools/call":
        raise Undone("headers", line)
    return line
