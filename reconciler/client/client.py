"""One method for each route of our API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import quote

from reconciler.client import answers, call_answers, lock_answers, sealed_answers
from reconciler.client.connection import (
    ApiError,
    Asking,
    LocalSocket,
    NoEngine,
    OnProgress,
    Way,
    address_of,
    ignore,
    objects,
)

Yes: TypeAlias = Literal["all"] | Sequence[str]
"""What a person agrees to: all of a plan, or the servers that are named."""


class Client:
    """An engine, asked for one of its projects, the first by name where none is named.

    Methods raise NoEngine and ApiError.
    """

    def __init__(self, engine: Path | Way, project: str | None = None) -> None:
        """`engine`: the path of its local socket, which makes the caller its owner. Over TCP: `Client.at`."""
        way = LocalSocket(engine) if isinstance(engine, Path) else engine
        below = f"/p/{_quoted(project)}" if project else ""
        self._engine = Asking(way, "")
        self._project = Asking(way, below)
        self._asking = Asking(way, f"{below}/api/v1")

    @classmethod
    def at(cls, url: str, token: str, project: str | None = None) -> Client:
        """An engine that listens at `url`, for whoever has the token. Raises ValueError for what is no such URL."""
        return cls(address_of(url, token), project)

    # What is.

    def hello(self) -> answers.Hello:
        """The engine, and its projects."""
        return cast(answers.Hello, self._asking.get("/hello"))

    def projects(self) -> list[answers.Project]:
        """The projects that it hosts, by name."""
        return cast(list[answers.Project], self._asking.get("/projects")["projects"])

    def status(self) -> answers.Status:
        """The status document."""
        return cast(answers.Status, self._asking.get("/status"))

    def servers(self) -> list[answers.Server]:
        """The servers, by id."""
        return cast(list[answers.Server], self._asking.get("/servers")["servers"])

    def server(self, server: str) -> answers.Server:
        """One server. ApiError 404: unknown-server."""
        return cast(answers.Server, self._asking.get(f"/servers/{_quoted(server)}"))

    def observed(self) -> answers.Observed:
        """What lives, as the engine's own plans see it."""
        return cast(answers.Observed, self._asking.get("/observed"))

    def ready(self) -> bool:
        """Whether everything that is required is ready. Needs no token."""
        try:
            self._engine.get("/readyz")
        except ApiError as error:
            if error.code != "not-ready":
                raise
            return False
        return True

    def metrics(self) -> str:
        """The numbers of the project, in the text format of Prometheus."""
        return self._project.text("/metrics", "text/plain")

    def openapi(self) -> dict[str, Any]:
        """The description of the API. Needs no token."""
        return dict(self._engine.get("/openapi.json"))

    # From the file to what lives.

    def apply(
        self,
        *,
        expected: str | None = None,
        saved: Mapping[str, Any] | None = None,
        yes: Yes = (),
        allow: Sequence[str] = (),
        on_failure: Literal["continue", "stop", "rollback"] = "continue",
        wait: float = 120,
        who: str = "owner",
        environment: Mapping[str, str] | None = None,
        on_progress: OnProgress = ignore,
        seen: bool = False,
    ) -> answers.Applied:
        """Apply what the file says, if its plan has the id `expected`, or a `saved` plan.

        `yes` are the servers whose launches and loosenings a person agreed to; `allow` lifts guards by name. `wait` are
        the seconds that sessions have. `who`, `saved` and `environment` are for the owner alone.

        `seen`: a person looked at that plan, so that the yes holds also for what somebody else wrote through the API.
        ApiError 409 `stale`: it is another plan by now. 422 `invalid`: the file has errors (`problems`).
        """
        body = {
            "expected": expected,
            "saved": saved,
            "yes": _yes(yes),
            "allow": list(allow),
            "onFailure": on_failure,
            "wait": wait,
            "who": who,
            "environment": dict(environment or {}),
            "seen": seen,
        }
        return cast(answers.Applied, self._asking.stream("/apply", body, on_progress))

    def config(self) -> tuple[dict[str, Any], str]:
        """What the files say, literal secrets as `***`, and the ETag of that. ApiError 422: they have errors."""
        return self._asking.tagged("GET", "/config", None)

    def change_config(self, patch: Mapping[str, Any], *, if_match: str, wait: int = 0) -> tuple[answers.Changed, str]:
        """Change the files by a merge patch (RFC 7396); also answers the new ETag.

        `if_match` is the ETag of the version it is for, or `*`; `wait` are the seconds that sessions have to become so.
        ApiError 403: read-only, with the `patch` to commit. 409: held, invalid, blocked, edit-refused. 412: stale.
        422: invalid (`problems`), own-setting.
        """
        changed, tag = self._asking.tagged("PATCH", f"/config?wait={wait}", patch, {"If-Match": if_match})
        return cast(answers.Changed, changed), tag

    def plan(self, patch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The plan document for what the file says, or for what a patch of it would cause; nothing is changed."""
        return self._asking.post("/plan", {} if patch is None else {"patch": dict(patch)})

    def follow(self, *, on: bool, auto_approve: Literal["no", "start", "all"] = "no") -> answers.Following:
        """Turn following the file on or off."""
        return cast(answers.Following, self._asking.post("/follow", {"on": on, "autoApprove": auto_approve}))

    def approve(
        self, plan: str, servers: Sequence[str] = (), who: str = "owner", on_progress: OnProgress = ignore
    ) -> answers.Applied:
        """Say yes to the waiting actions of a plan (all, or those of `servers`). ApiError 404: nothing-waits."""
        body = {"plan": plan, "servers": list(servers), "who": who}
        return cast(answers.Applied, self._asking.stream("/approve", body, on_progress))

    def deny(self, plan: str, servers: Sequence[str] = ()) -> answers.Denied:
        """Say no."""
        return cast(answers.Denied, self._asking.post("/deny", {"plan": plan, "servers": list(servers)}))

    def history(self) -> list[answers.Past]:
        """Applied plans, newest first."""
        return cast(list[answers.Past], self._asking.get("/history")["history"])

    def rollback_patch(self, serial: int | None = None) -> answers.Back:
        """The masked patch that would bring the file back to what it was at `serial`, or before the last."""
        return cast(answers.Back, self._asking.get("/rollback", serial=serial))

    def rollback(
        self, serial: int, *, yes: Yes = (), who: str = "owner", on_progress: OnProgress = ignore
    ) -> answers.Applied:
        """Write that patch to the file and apply it. ApiError 404: unknown-serial. 409: edit-refused."""
        body = {"serial": serial, "yes": _yes(yes), "who": who}
        return cast(answers.Applied, self._asking.stream("/rollback", body, on_progress))

    def export(self) -> dict[str, Any]:
        """The configuration for another place: secrets are references, or `***`."""
        return self._asking.get("/export")

    def export_yaml(self) -> str:
        """The same as YAML."""
        return self._asking.text("/export", "application/yaml")

    def import_servers(self, document: Mapping[str, Any], *, dry_run: bool = False) -> answers.Imported:
        """Take over the servers of a document, under `mcpServers` or `servers`; those that are here stay as they are.

        ApiError 422: invalid (`problems`). 409: held, exists, edit-refused. 403: read-only.
        """
        path = "/import?dryRun=true" if dry_run else "/import"
        return cast(answers.Imported, self._asking.post(path, document))

    def export_sealed(
        self,
        passphrase: str,
        servers: Sequence[str] | None = None,
        *,
        format: Literal["reconciler", "mcp-explorer"] = "reconciler",
    ) -> sealed_answers.Sealed:
        """A file with servers, all where none are named, and their stored secrets, which only the passphrase opens.

        ApiError 404: nothing-to-export. 413: too-large. 422: weak-passphrase, invalid (`problems`).
        """
        named = None if servers is None else list(servers)
        body = {"passphrase": passphrase, "servers": named, "format": format}
        return cast(sealed_answers.Sealed, self._asking.post("/export/sealed", body))

    def import_sealed(
        self, file: str, passphrase: str, *, run: Sequence[str] = (), dry_run: bool = False
    ) -> sealed_answers.Opened:
        """Take over the servers of such a file, or of one of MCP Explorer. Programs come switched off but for `run`.

        ApiError 422: not-ours, newer-version, damaged, wrong-passphrase, altered, each with the way out as `hint`;
        invalid. 404: unknown-server. 403: read-only.
        """
        path = "/import/sealed?dryRun=true" if dry_run else "/import/sealed"
        body = {"file": file, "passphrase": passphrase, "run": list(run)}
        return cast(sealed_answers.Opened, self._asking.post(path, body))

    # Servers at work.

    def restart(self, server: str) -> answers.Server:
        """Replace the server's session, the new one first; answers once settled. ApiError 502: why it failed."""
        answer = self._asking.answer("POST", f"/servers/{_quoted(server)}/restart", {}, timeout=None)
        return cast(answers.Server, answer)

    def pause(self, server: str, *, lasting: str | None = None, who: str = "owner") -> answers.Server:
        """Keep it from running, for a duration such as `8h` or until `resume`; answers once its session is closed."""
        path, body = f"/servers/{_quoted(server)}/pause", {"for": lasting, "who": who}
        return cast(answers.Server, self._asking.answer("POST", path, body, timeout=None))

    def resume(self, server: str, *, who: str = "owner") -> answers.Server:
        """End the pause of the server; answers once settled. ApiError 502: why it does not connect."""
        path = f"/servers/{_quoted(server)}/resume"
        return cast(answers.Server, self._asking.answer("POST", path, {"who": who}, timeout=None))

    def logs(self, server: str, *, lines: int = 50) -> answers.Logs:
        """The last lines of its stderr, and how its last sessions ended."""
        return cast(answers.Logs, self._asking.get(f"/servers/{_quoted(server)}/logs", lines=lines))

    def events(self, *, after: int = 0, limit: int = 100, server: str | None = None) -> list[answers.Event]:
        """The last `limit` events with an id above `after`, oldest first."""
        rows = self._asking.get("/events", after=after, limit=limit, server=server)["events"]
        return cast(list[answers.Event], rows)

    def listen(self, *, after: int | None = None) -> Iterator[answers.Event]:
        """Events as they happen, until the engine stops; first those that were recorded after an id, where one is
        given. A `gap` says that some are not kept any more."""
        path = "/events/stream" if after is None else f"/events/stream?after={after}"
        connection, response = self._asking.open("GET", path, None, None)
        with closing(connection), suppress(NoEngine):
            for event in objects(response):
                yield cast(answers.Event, event)

    def tools(self, server: str | None = None) -> answers.Tools:
        """The tools of all servers, or of one, and who is asked before they run."""
        return cast(answers.Tools, self._asking.get("/tools", server=server))

    def call(
        self, server: str, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress = ignore
    ) -> dict[str, Any]:
        """The raw CallToolResult. ApiError 403: refused. 502: the server failed. 503: not-live. 504: deadline."""
        body = {"server": server, "tool": tool, "arguments": dict(arguments)}
        return self._asking.stream("/call", body, on_progress)

    def lock(self, server: str | None = None, *, changes: bool = False, wait: int = 0) -> lock_answers.Lock:
        """The lock, and every server against it; sessions on their way are waited for, in seconds. With `changes`,
        what differs in each definition."""
        return cast(lock_answers.Lock, self._asking.get("/lock", server=server, wait=wait, changes=changes or None))

    def accept_lock(self, server: str | None, expected: Mapping[str, str], *, wait: int = 60) -> lock_answers.Accepted:
        """Write what is live into the lock, of one server or all.

        ApiError 409: a server shows something else than `expected`. 422: the lock cannot be used.
        """
        body = {"server": server, "expected": dict(expected), "wait": wait}
        return cast(lock_answers.Accepted, self._asking.post("/lock", body))

    # Calls that ask.

    def approvals(self, *, everything: bool = False) -> list[call_answers.Call]:
        """The calls that wait for an answer. With `everything`, all that is kept, with what became of each."""
        return cast(list[call_answers.Call], self._asking.get("/approvals", all=everything or None)["approvals"])

    def approval(self, call: str) -> call_answers.Call:
        """One call, with its arguments whole and what became of it. ApiError 404: unknown-call."""
        return cast(call_answers.Call, self._asking.get(f"/approvals/{_quoted(call)}"))

    def answer_call(
        self, call: str, *, allow: bool, reach: Literal["once", "session", "always"] = "once", who: str = "owner"
    ) -> call_answers.AnsweredCall:
        """Let a waiting call run, or not. ApiError 404: unknown-call. 409: too-late, changed. 503: not-recorded."""
        body = {"decision": "allow" if allow else "deny", "for": reach, "who": who}
        return cast(call_answers.AnsweredCall, self._asking.post(f"/approvals/{_quoted(call)}", body))

    def forget(self, server: str, tool: str, who: str = "owner") -> bool:
        """A tool that this machine let through for always asks again; False when it did not."""
        return bool(self._asking.post("/forget", {"server": server, "tool": tool, "who": who})["forgotten"])

    def audit(self, *, since: str | None = None) -> list[call_answers.Entry]:
        """What was decided about calls, the oldest first."""
        return cast(list[call_answers.Entry], self._asking.get("/audit", since=since)["audit"])

    # Secrets, sign-in and tokens.

    def secrets(self) -> answers.Secrets:
        """The stored secrets, without their values, and those that are missing."""
        return cast(answers.Secrets, self._asking.get("/secrets"))

    def store_secret(self, name: str, value: str) -> answers.Secret:
        """Its row, once it is on the disk. ApiError 400: bad-name, bad-value. 413: too-large. 503: the vault cannot."""
        return cast(answers.Secret, self._asking.answer("PUT", f"/secrets/{_quoted(name)}", {"value": value}))

    def remove_secret(self, name: str) -> answers.Removed:
        """Forget it; answers the servers that still use it. ApiError 404: unknown-secret."""
        return cast(answers.Removed, self._asking.answer("DELETE", f"/secrets/{_quoted(name)}", None))

    def sign_in(self, server: str) -> answers.SignIn:
        """Begin to sign in. ApiError 404: unknown-server. 409: no-sign-in. 502: no page can be had."""
        return cast(answers.SignIn, self._asking.post(f"/servers/{_quoted(server)}/auth", {}))

    def end_sign_in(self, server: str, redirected: str) -> answers.SignIn:
        """The same after a sign-in, with the address that the browser was sent to. ApiError 422: sign-in-refused."""
        answer = self._asking.post(f"/servers/{_quoted(server)}/auth", {"redirected": redirected})
        return cast(answers.SignIn, answer)

    def wait_for_sign_in(self, server: str, *, seconds: int) -> answers.SignIn:
        """The same once the sign-in is over, or so many seconds later."""
        return cast(answers.SignIn, self._asking.get(f"/servers/{_quoted(server)}/auth", wait=seconds))

    def forget_sign_in(self, server: str) -> bool:
        """Forget every token of the server; False when there was none."""
        return bool(self._asking.answer("DELETE", f"/servers/{_quoted(server)}/auth", None)["forgotten"])

    def tokens(self) -> list[answers.Token]:
        """Who may come in over HTTP, by name."""
        return cast(list[answers.Token], self._asking.get("/tokens")["tokens"])

    def create_token(
        self, role: Literal["viewer", "client", "editor", "operator"], name: str | None = None
    ) -> answers.NewToken:
        """A new token with its text, which nothing keeps. ApiError 409: taken. 422: bad-name. 403: above one's own."""
        return cast(answers.NewToken, self._asking.post("/tokens", {"role": role, "name": name}))

    def revoke_token(self, name: str) -> None:
        """It lets nobody in when this returns, and what was open with it ends. ApiError 404: unknown-token."""
        self._asking.answer("DELETE", f"/tokens/{_quoted(name)}", None)

    def reread_tokens(self) -> None:
        """The file of tokens was changed: what was taken back holds no more when this returns. For the owner alone."""
        self._asking.post("/reread", {})

    def visit(self) -> answers.Link:
        """A link that lets one browser in to the page. ApiError 409: not-listening."""
        return cast(answers.Link, self._asking.post("/visits", {}))

    def stop(self) -> None:
        """End the engine; it answers before it goes. For the owner alone."""
        self._asking.post("/stop", {})


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _yes(yes: Yes) -> str | list[str]:
    return "all" if yes == "all" else list(yes)
