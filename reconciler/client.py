"""Typed client of our own HTTP API (`/api/v1`) over an engine's local socket. Standard library only: it starts fast."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from reconciler.store.peer import is_our_engine

_GONE = "the engine went away before it answered"
Answer = dict[str, Any]
OnProgress = Callable[[Answer], None]


class NoEngine(Exception):
    """Nothing listens on the socket, it is somebody else's, or it went away before it answered."""


class ApiError(Exception):
    """The engine said no: HTTP status, a code, a sentence, and whatever else the answer held."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        error = body.get("error")
        error = error if isinstance(error, Mapping) else {}
        super().__init__(error.get("message", f"HTTP {status}"))
        self.status = status
        self.code: str = error.get("code", "error")
        self.body = dict(body)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        if not is_our_engine(self.sock):
            raise PermissionError(f"the process behind {self._path} belongs to somebody else")


class Client:
    """An engine, asked for one of its projects. Methods raise NoEngine and ApiError."""

    def __init__(self, path: Path, project: str | None = None) -> None:
        self.path = path
        self._root = f"/p/{quote(project, safe='')}/api/v1" if project else "/api/v1"

    def hello(self) -> Answer:
        """`{"pid", "version", "startedAt", "url", "projects": [...]}`."""
        return self._get("/hello")

    def status(self) -> Answer:
        """The status document."""
        return self._get("/status")

    def observed(self) -> Answer:
        """What lives, as the engine's own plans see it: `{"servers": [{"id", "status", "instance", "spec", "down",
        "since"}]}`."""
        return self._get("/observed")

    def apply(
        self,
        *,
        expected: str | None = None,
        saved: Mapping[str, Any] | None = None,
        yes: Literal["all"] | list[str],
        allow: list[str],
        on_failure: str,
        wait: float,
        who: str,
        environment: Mapping[str, str],
        on_progress: OnProgress,
    ) -> Answer:
        """Apply what the file says, if its plan has the id `expected`, or a saved plan. Answers the apply result.

        ApiError 409 `stale`: it is another plan by now. 422 `invalid`: the file has errors (`problems`).
        """
        body = {
            "expected": expected,
            "saved": saved,
            "yes": yes,
            "allow": allow,
            "onFailure": on_failure,
            "wait": wait,
            "who": who,
            "environment": dict(environment),
        }
        return self._stream("/apply", body, on_progress)

    def follow(self, *, on: bool, auto_approve: str = "no") -> Answer:
        """Turn following the file on or off."""
        return self._post("/follow", {"on": on, "autoApprove": auto_approve})

    def history(self) -> list[Answer]:
        """Applied plans, newest first."""
        rows: list[Answer] = self._get("/history")["history"]
        return rows

    def rollback_patch(self, serial: int | None) -> Answer:
        """`{"serial", "patch"}`: the masked patch that would bring the file back to what it was at `serial`."""
        return self._get("/rollback", serial=serial)

    def rollback(self, serial: int, *, yes: Literal["all"] | list[str], who: str, on_progress: OnProgress) -> Answer:
        """Write that patch to the file and apply it. Answers the apply result."""
        return self._stream("/rollback", {"serial": serial, "yes": yes, "who": who}, on_progress)

    def restart(self, server: str) -> Answer:
        """Replace the server's session, the new one first; answers its status row once settled."""
        return self._answer("POST", f"/servers/{quote(server, safe='')}/restart", {}, timeout=None)

    def logs(self, server: str, *, lines: int) -> Answer:
        """`{"lines": [...], "exits": [{"instance", "at", "code", "reason", "stderr"}]}`."""
        return self._get(f"/servers/{quote(server, safe='')}/logs", lines=lines)

    def events(self, *, after: int = 0, limit: int = 100, server: str | None = None) -> list[Answer]:
        """Events, oldest first."""
        rows: list[Answer] = self._get("/events", after=after, limit=limit, server=server)["events"]
        return rows

    def listen(self) -> Iterator[Answer]:
        """Events as they happen, until the engine stops."""
        connection, response = self._open("GET", "/events/stream", None, None)
        with closing(connection), suppress(NoEngine):
            yield from _lines(response)

    def tools(self, server: str | None) -> Answer:
        """`{"tools": [{"server", "name", "description", "asks", "by", "pin"}]}`."""
        return self._get("/tools", server=server)

    def lock(self, server: str | None = None, *, changes: bool = False, wait: int = 0) -> Answer:
        """`{"lock": {"file", "exists", "digest", "problems"}, "servers": [{"id", "mode", "standing", "why", "offered",
        "drift"}]}`; sessions on their way are waited for. With `changes`, what differs in each definition."""
        return self._get("/lock", server=server, wait=wait, changes=1 if changes else None)

    def accept_lock(self, server: str | None, expected: Mapping[str, str], *, wait: int) -> Answer:
        """Write what is live into the lock, of one server or all: `{"file", "written", "accepted", "removed", "kept",
        "unpinned"}`. ApiError 409: a server shows something else than `expected`. 422: the lock cannot be used."""
        return self._post("/lock", {"server": server, "expected": dict(expected), "wait": wait})

    def call(self, server: str, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        """The raw CallToolResult. ApiError 403: refused; 404: no such server; 502: the server failed."""
        return self._stream("/call", {"server": server, "tool": tool, "arguments": dict(arguments)}, on_progress)

    def approve(self, plan: str, servers: list[str], who: str, on_progress: OnProgress) -> Answer:
        """Say yes to the waiting actions of a plan (all, or those of `servers`). Answers the apply result."""
        return self._stream("/approve", {"plan": plan, "servers": servers, "who": who}, on_progress)

    def deny(self, plan: str, servers: list[str]) -> Answer:
        """Say no; answers `{"denied": [server, ...]}`."""
        return self._post("/deny", {"plan": plan, "servers": servers})

    def reread_tokens(self) -> Answer:
        """The file of tokens was changed: what was taken back holds no more when this returns."""
        return self._post("/tokens/reread", {})

    def approvals(self, *, everything: bool = False) -> list[Answer]:
        """The calls that wait for an answer: id, server, tool, arguments, requestedAt, expiresAt, principal.

        With `everything`, all that is kept, each also with state, since, who, reason, and whether its caller waits
        (awaited).
        """
        rows: list[Answer] = self._get("/approvals", all=1 if everything else None)["approvals"]
        return rows

    def approval(self, call: str) -> Answer:
        """One call, with its arguments whole and what became of it. ApiError 404: unknown-call."""
        return self._get(f"/approvals/{quote(call, safe='')}")

    def answer_call(self, call: str, *, allow: bool, reach: str = "once", who: str) -> Answer:
        """Let a waiting call run, or not: `{"id", "state", "for", "runs", "refused"}`.

        ApiError 404: unknown-call. 409: too-late, changed. 503: not-recorded.
        """
        body = {"decision": "allow" if allow else "deny", "for": reach, "who": who}
        return self._post(f"/approvals/{quote(call, safe='')}", body)

    def forget(self, server: str, tool: str, who: str) -> bool:
        """A tool that this machine let through for always asks again; False when it did not."""
        return bool(self._post("/forget", {"server": server, "tool": tool, "who": who})["forgotten"])

    def audit(self, *, since: str | None = None) -> list[Answer]:
        """What was decided about calls, the oldest first."""
        rows: list[Answer] = self._get("/audit", since=since)["audit"]
        return rows

    def stop(self) -> Answer:
        """End the engine; it answers before it goes."""
        return self._post("/stop", {})

    def _get(self, path: str, **query: Any) -> Answer:
        given = {name: value for name, value in query.items() if value is not None}
        return self._answer("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return self._answer("POST", path, body)

    def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, timeout: float | None = 120.0
    ) -> Answer:
        connection, response = self._open(method, path, body, timeout)
        with closing(connection):
            for answer in _lines(response, whole=True):
                return answer
        raise NoEngine(_GONE)

    def _stream(self, path: str, body: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        """Lines of `{"progress": ...}` and at the end one `{"result": ...}` or `{"error": ..., "status": ...}`."""
        connection, response = self._open("POST", path, body, None)
        with closing(connection):
            for message in _lines(response):
                if "result" in message:
                    result: Answer = message["result"]
                    return result
                if "error" in message:
                    raise ApiError(message.get("status", 500), message)
                on_progress(message["progress"])
        raise NoEngine(_GONE)

    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float | None
    ) -> tuple[_UnixConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self.path, timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, self._root + path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiError(response.status, _object(response.read()))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoEngine(str(error)) from error
        except BaseException:
            connection.close()
            raise
        return connection, response


def _lines(response: http.client.HTTPResponse, *, whole: bool = False) -> Iterator[Answer]:
    """The objects of an answer, one a line, or the `whole` answer as one. Raises NoEngine when it breaks off."""
    try:
        for line in [response.read()] if whole else response:
            if line.strip():
                yield json.loads(line)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoEngine(f"{_GONE}: {error}") from error


def _object(data: bytes) -> Answer:
    """The body of an error; an answer that is not ours says nothing but its status."""
    with suppress(ValueError):
        body = json.loads(data)
        return body if isinstance(body, dict) else {}
    return {}
