"""One method for each route of `/api/v1`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from reconciler.client.connection import Answer, Asking, LocalSocket, NoEngine, OnProgress, Way, address_of, objects


class Client:
    """An engine, asked for one of its projects, the first by name where none is named.

    Methods raise NoEngine and ApiError.
    """

    def __init__(self, engine: Path | Way, project: str | None = None) -> None:
        """`engine`: the path of its local socket, which makes the caller its owner. Over TCP: `Client.at`."""
        way = LocalSocket(engine) if isinstance(engine, Path) else engine
        self._asking = Asking(way, f"/p/{quote(project, safe='')}/api/v1" if project else "/api/v1")

    @classmethod
    def at(cls, url: str, token: str, project: str | None = None) -> Client:
        """An engine that listens at `url`, for whoever has the token. Raises ValueError for what is no such URL."""
        return cls(address_of(url, token), project)

    def hello(self) -> Answer:
        """`{"pid", "version", "startedAt", "url", "readOnly", "projects": [...]}`."""
        return self._asking.get("/hello")

    def status(self) -> Answer:
        """The status document."""
        return self._asking.get("/status")

    def observed(self) -> Answer:
        """What lives, as the engine's own plans see it: `{"servers": [{"id", "status", "instance", "spec", "down",
        "since"}]}`."""
        return self._asking.get("/observed")

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
        seen: bool = False,
    ) -> Answer:
        """Apply what the file says, if its plan has the id `expected`, or a saved plan. Answers the apply result.

        `seen`: a person looked at that plan, so that the yes holds also for what somebody else wrote through the API.
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
            "seen": seen,
        }
        return self._asking.stream("/apply", body, on_progress)

    def config(self) -> tuple[Answer, str]:
        """What the files say, literal secrets as `***`, and the ETag of that. ApiError 422: they have errors."""
        return self._asking.tagged("GET", "/config", None)

    def change_config(self, patch: Mapping[str, Any], *, if_match: str, wait: int = 0) -> tuple[Answer, str]:
        """Change the files by a merge patch: `{"applied", "pending", "config"}`, and the new ETag.

        `if_match` is the ETag of the version it is for, or `*`; `wait` are the seconds that sessions have to become so.
        ApiError 403: read-only, with the `patch` to commit. 409: held, invalid, blocked, edit-refused. 412: stale.
        422: invalid (`problems`), own-setting.
        """
        return self._asking.tagged("PATCH", f"/config?wait={wait}", patch, {"If-Match": if_match})

    def plan(self, patch: Mapping[str, Any] | None = None) -> Answer:
        """The plan document for what the file says, or for what a patch of it would cause; nothing is changed."""
        return self._asking.post("/plan", {} if patch is None else {"patch": dict(patch)})

    def follow(self, *, on: bool, auto_approve: str = "no") -> Answer:
        """Turn following the file on or off."""
        return self._asking.post("/follow", {"on": on, "autoApprove": auto_approve})

    def history(self) -> list[Answer]:
        """Applied plans, newest first."""
        rows: list[Answer] = self._asking.get("/history")["history"]
        return rows

    def rollback_patch(self, serial: int | None) -> Answer:
        """`{"serial", "patch"}`: the masked patch that would bring the file back to what it was at `serial`."""
        return self._asking.get("/rollback", serial=serial)

    def rollback(self, serial: int, *, yes: Literal["all"] | list[str], who: str, on_progress: OnProgress) -> Answer:
        """Write that patch to the file and apply it. Answers the apply result."""
        return self._asking.stream("/rollback", {"serial": serial, "yes": yes, "who": who}, on_progress)

    def restart(self, server: str) -> Answer:
        """Replace the server's session, the new one first; answers its status row once settled."""
        return self._asking.answer("POST", f"/servers/{quote(server, safe='')}/restart", {}, timeout=None)

    def logs(self, server: str, *, lines: int) -> Answer:
        """`{"lines": [...], "exits": [{"instance", "at", "code", "reason", "stderr"}]}`."""
        return self._asking.get(f"/servers/{quote(server, safe='')}/logs", lines=lines)

    def events(self, *, after: int = 0, limit: int = 100, server: str | None = None) -> list[Answer]:
        """Events, oldest first."""
        rows: list[Answer] = self._asking.get("/events", after=after, limit=limit, server=server)["events"]
        return rows

    def listen(self) -> Iterator[Answer]:
        """Events as they happen, until the engine stops."""
        connection, response = self._asking.open("GET", "/events/stream", None, None)
        with closing(connection), suppress(NoEngine):
            yield from objects(response)

    def tools(self, server: str | None) -> Answer:
        """`{"tools": [{"server", "name", "description", "asks", "by", "pin"}]}`."""
        return self._asking.get("/tools", server=server)

    def lock(self, server: str | None = None, *, changes: bool = False, wait: int = 0) -> Answer:
        """`{"lock": {"file", "exists", "digest", "problems"}, "servers": [{"id", "mode", "standing", "why", "offered",
        "drift"}]}`; sessions on their way are waited for. With `changes`, what differs in each definition."""
        return self._asking.get("/lock", server=server, wait=wait, changes=changes or None)

    def accept_lock(self, server: str | None, expected: Mapping[str, str], *, wait: int) -> Answer:
        """Write what is live into the lock, of one server or all: `{"file", "written", "accepted", "removed", "kept",
        "unpinned"}`. ApiError 409: a server shows something else than `expected`. 422: the lock cannot be used."""
        return self._asking.post("/lock", {"server": server, "expected": dict(expected), "wait": wait})

    def call(self, server: str, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        """The raw CallToolResult. ApiError 403: refused; 404: no such server; 502: the server failed."""
        return self._asking.stream("/call", {"server": server, "tool": tool, "arguments": dict(arguments)}, on_progress)

    def approve(self, plan: str, servers: list[str], who: str, on_progress: OnProgress) -> Answer:
        """Say yes to the waiting actions of a plan (all, or those of `servers`). Answers the apply result."""
        return self._asking.stream("/approve", {"plan": plan, "servers": servers, "who": who}, on_progress)

    def deny(self, plan: str, servers: list[str]) -> Answer:
        """Say no; answers `{"denied": [server, ...]}`."""
        return self._asking.post("/deny", {"plan": plan, "servers": servers})

    def reread_tokens(self) -> Answer:
        """The file of tokens was changed: what was taken back holds no more when this returns."""
        return self._asking.post("/reread", {})

    def secrets(self) -> Answer:
        """`{"secrets": [{"name", "version", "createdAt", "updatedAt", "servers"}], "missing": [{"name", "servers"}],
        "key"}`; no value of one."""
        return self._asking.get("/secrets")

    def store_secret(self, name: str, value: str) -> Answer:
        """Its row, once it is on the disk. ApiError 400: bad-name, bad-value. 413: too-large. 503: the vault cannot."""
        return self._asking.answer("PUT", f"/secrets/{quote(name, safe='')}", {"value": value})

    def remove_secret(self, name: str) -> Answer:
        """`{"removed", "servers"}`, with the servers that still use it. ApiError 404: unknown-secret."""
        return self._asking.answer("DELETE", f"/secrets/{quote(name, safe='')}", None)

    def sign_in(self, server: str) -> Answer:
        """Begin to sign in: `{"server", "authUrl", "signedIn", "reason", "listens"}`.

        ApiError 404: unknown-server. 409: no-sign-in. 502: no page can be had.
        """
        return self._asking.post(f"/servers/{quote(server, safe='')}/auth", {})

    def end_sign_in(self, server: str, redirected: str) -> Answer:
        """The same after a sign-in, with the address that the browser was sent to. ApiError 422: sign-in-refused."""
        return self._asking.post(f"/servers/{quote(server, safe='')}/auth", {"redirected": redirected})

    def wait_for_sign_in(self, server: str, *, seconds: int) -> Answer:
        """The same once the sign-in is over, or so many seconds later."""
        return self._asking.get(f"/servers/{quote(server, safe='')}/auth", wait=seconds)

    def forget_sign_in(self, server: str) -> bool:
        """Forget every token of the server; False when there was none."""
        return bool(self._asking.answer("DELETE", f"/servers/{quote(server, safe='')}/auth", None)["forgotten"])

    def approvals(self, *, everything: bool = False) -> list[Answer]:
        """The calls that wait for an answer: id, server, tool, arguments, requestedAt, expiresAt, principal.

        With `everything`, all that is kept, each also with state, since, who, reason, and whether its caller waits
        (awaited).
        """
        rows: list[Answer] = self._asking.get("/approvals", all=everything or None)["approvals"]
        return rows

    def approval(self, call: str) -> Answer:
        """One call, with its arguments whole and what became of it. ApiError 404: unknown-call."""
        return self._asking.get(f"/approvals/{quote(call, safe='')}")

    def answer_call(self, call: str, *, allow: bool, reach: str = "once", who: str) -> Answer:
        """Let a waiting call run, or not: `{"id", "state", "for", "runs", "refused"}`.

        ApiError 404: unknown-call. 409: too-late, changed. 503: not-recorded.
        """
        body = {"decision": "allow" if allow else "deny", "for": reach, "who": who}
        return self._asking.post(f"/approvals/{quote(call, safe='')}", body)

    def forget(self, server: str, tool: str, who: str) -> bool:
        """A tool that this machine let through for always asks again; False when it did not."""
        return bool(self._asking.post("/forget", {"server": server, "tool": tool, "who": who})["forgotten"])

    def audit(self, *, since: str | None = None) -> list[Answer]:
        """What was decided about calls, the oldest first."""
        rows: list[Answer] = self._asking.get("/audit", since=since)["audit"]
        return rows

    def stop(self) -> Answer:
        """End the engine; it answers before it goes."""
        return self._asking.post("/stop", {})
