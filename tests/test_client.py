"""The client of our own API against whatever may be at the other end of a socket."""

from __future__ import annotations

import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_type_hints, is_typeddict

import pytest

import reconciler
from reconciler.client import ApiError, Client, NoEngine, answers, call_answers, lock_answers, sealed_answers
from reconciler.client.connection import LocalSocket, address_of
from reconciler.faces.api.own.endpoint import root_routes, routes
from reconciler.faces.api.own.openapi import document
from tests.needs import ROOT
from tests.requirements import requirement

pytestmark = requirement("OPS-1:client")


class Engine:
    """Answers one request after the other with the bytes it was given; `heard` are the requests."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(answers,))
        self._thread.start()

    def _serve(self, answers: list[bytes]) -> None:
        for answer in answers:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rwb") as stream:
                head = b"".join(iter(stream.readline, b"\r\n"))
                length = next((int(line[15:]) for line in head.splitlines() if line.startswith(b"Content-Length:")), 0)
                self.heard.append(head + b"\r\n" + stream.read(length))
                stream.write(answer)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


@contextmanager
def engine(folder: Path, *answers: bytes, project: str | None = None) -> Iterator[tuple[Client, Engine]]:
    path = folder / "s"
    made = Engine(path, list(answers))
    try:
        yield Client(path, project), made
    finally:
        made.close()


def ok(body: Any, status: str = "200 OK") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(data), data)


def chunked(*lines: bytes, whole: bool = True) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in lines)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + (b"0\r\n\r\n" if whole else b"")


def first_lines(made: Engine) -> list[str]:
    return [request.splitlines()[0].decode() for request in made.heard]


# Requests


def test_a_project_is_asked_under_its_name(tmp_path: Path) -> None:
    with engine(tmp_path, ok({"pid": 1}), ok({}), project="acme dev/1") as (client, made):
        assert client.hello() == {"pid": 1}
        client.status()
    assert first_lines(made) == [
        "GET /p/acme%20dev%2F1/api/v1/hello HTTP/1.1",
        "GET /p/acme%20dev%2F1/api/v1/status HTTP/1.1",
    ]


def test_the_only_project_is_asked_at_the_root(tmp_path: Path) -> None:
    with engine(tmp_path, ok({"events": []}), ok({"deny": []}), ok({})) as (client, made):
        assert client.events(server="a b&c", limit=5) == []
        client.deny("pln-1", ["a"])
        client.restart("a/../b")
    assert first_lines(made) == [
        "GET /api/v1/events?after=0&limit=5&server=a+b%26c HTTP/1.1",
        "POST /api/v1/deny HTTP/1.1",
        "POST /api/v1/servers/a%2F..%2Fb/restart HTTP/1.1",
    ]
    assert json.loads(made.heard[1].partition(b"\r\n\r\n")[2]) == {"plan": "pln-1", "servers": ["a"]}


def test_what_is_applied_is_asked_for_in_full(tmp_path: Path) -> None:
    with engine(tmp_path, chunked(b'{"result": {"exit": 0}}\n')) as (client, made):
        client.apply(
            expected="pln-1",
            yes="all",
            allow=["mass-delete"],
            on_failure="stop",
            wait=5.0,
            who="me",
            environment={"A": "ünï"},
            on_progress=lambda _: None,
        )
    assert json.loads(made.heard[0].partition(b"\r\n\r\n")[2]) == {
        "expected": "pln-1",
        "saved": None,
        "yes": "all",
        "allow": ["mass-delete"],
        "onFailure": "stop",
        "wait": 5.0,
        "who": "me",
        "environment": {"A": "ünï"},
        "seen": False,
    }


# Answers that come line by line


def call(client: Client, heard: list[Any]) -> dict[str, Any]:
    return client.call("a", "echo", {}, heard.append)


def test_progress_is_told_as_it_comes_and_the_result_ends_it(tmp_path: Path) -> None:
    lines = (b'{"progress": {"n": 1}}\n{"progr', b'ess": {"n": 2}}\n', b"\n", b'{"result": {"content": []}}\n', b"rest")
    with engine(tmp_path, chunked(*lines)) as (client, _):
        heard: list[Any] = []
        assert call(client, heard) == {"content": []}
    assert heard == [{"n": 1}, {"n": 2}]


def test_an_error_at_the_end_is_an_error_with_its_status(tmp_path: Path) -> None:
    body = {"error": {"code": "needs-approval", "message": "not without a yes"}, "status": 403, "hint": "approve"}
    answer = chunked(json.dumps(body).encode() + b"\n")
    with engine(tmp_path, answer) as (client, _), pytest.raises(ApiError, match="not without a yes") as error:
        call(client, [])
    assert (error.value.status, error.value.code, error.value.body["hint"]) == (403, "needs-approval", "approve")


@pytest.mark.parametrize(
    "answer",
    [
        chunked(b'{"progress": {}}\n'),
        chunked(b'{"progress": {}}\n', whole=False),
        chunked(b'{"progress": {}}\n', b'{"resu', whole=False),
        chunked(b"no json\n"),
        chunked(b"\xff\xfe\n"),
    ],
    ids=["no result", "cut between lines", "cut in a line", "no json", "no text"],
)
def test_an_engine_that_goes_away_in_the_middle_is_no_engine(tmp_path: Path, answer: bytes) -> None:
    with engine(tmp_path, answer) as (client, _), pytest.raises(NoEngine, match="went away before it answered"):
        call(client, [])


def test_events_are_heard_until_the_engine_stops_however_it_stops(tmp_path: Path) -> None:
    lines = (b'{"kind": "one"}\n', b"\n", b'{"kind": "two"}\n')
    with engine(tmp_path, chunked(*lines), chunked(*lines, whole=False)) as (client, _):
        for _ in range(2):
            assert list(client.listen()) == [{"kind": "one"}, {"kind": "two"}]


def test_who_stops_listening_lets_go_of_the_connection(tmp_path: Path) -> None:
    with engine(tmp_path, chunked(b'{"kind": "one"}\n', b'{"kind": "two"}\n')) as (client, _):
        events = client.listen()
        assert next(events) == {"kind": "one"}
        events.close()  # type: ignore[attr-defined]  # it is a generator


# Refusals


@pytest.mark.parametrize(
    ("answer", "status", "code", "message"),
    [
        (ok({"error": {"code": "stale", "message": "too late"}}, "409 Conflict"), 409, "stale", "too late"),
        (ok(b"Not Found", "404 Not Found"), 404, "error", "HTTP 404"),
        (ok(b"", "500 Oh"), 500, "error", "HTTP 500"),
        (ok([1], "500 Oh"), 500, "error", "HTTP 500"),
        (ok({"error": "words"}, "400 Bad Request"), 400, "error", "HTTP 400"),
        (ok(b"\xff", "502 Bad Gateway"), 502, "error", "HTTP 502"),
    ],
)
def test_a_refusal_says_what_there_is_to_say(
    tmp_path: Path, answer: bytes, status: int, code: str, message: str
) -> None:
    with engine(tmp_path, answer, answer) as (client, _):
        for ask in (client.status, lambda: call(client, [])):
            with pytest.raises(ApiError) as error:
                ask()
            assert (error.value.status, error.value.code, str(error.value)) == (status, code, message)


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n", ok(b"{"), b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", ok(b"")],
    ids=["nothing", "another protocol", "half an object", "cut short", "an empty answer"],
)
def test_what_does_not_answer_as_an_engine_is_none(tmp_path: Path, answer: bytes) -> None:
    with engine(tmp_path, answer) as (client, _), pytest.raises(NoEngine):
        client.status()


def test_without_a_listener_there_is_no_engine(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match="No such file"):
        Client(tmp_path / "missing").hello()
    left = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left))
    with pytest.raises(NoEngine, match="refused"):
        Client(left).hello()
    with pytest.raises(NoEngine, match="too long"):
        Client(tmp_path / ("x" * 200)).hello()


@pytest.mark.needs(ROOT)
def test_an_engine_of_somebody_else_is_told_nothing(tmp_path: Path) -> None:
    code = (
        "import os, socket, sys\n"
        "listener = socket.socket(socket.AF_UNIX)\n"
        "os.setuid(1234)\n"
        "listener.bind(sys.argv[1])\n"
        "listener.listen()\n"
        "print('ready', flush=True)\n"
        "connection, _ = listener.accept()\n"
        "print(len(connection.recv(10000)), flush=True)\n"
    )
    folder = tmp_path / "open"
    folder.mkdir()
    for above in (folder, *(above for above in folder.parents if above.stat().st_uid == os.getuid())):
        above.chmod(above.stat().st_mode | 0o011)
    folder.chmod(0o777)
    path = folder / "s"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "ready\n"
        with pytest.raises(NoEngine, match="belongs to somebody else"):
            Client(path).hello()
        assert other.stdout.readline() == "0\n"


# Over TCP


@contextmanager
def tcp(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A URL, and what was asked there."""
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join(5)
        assert not thread.is_alive()


def test_an_engine_is_asked_over_tcp_with_the_token() -> None:
    with tcp(ok({"servers": []}), ok({"projects": []})) as (url, heard):
        assert Client.at(url, "rcl_x", "a b").servers() == []
        assert Client.at(f"{url}/below/", "rcl_x").projects() == []
    lines = [request.decode().split("\r\n") for request in heard]
    assert [line[0] for line in lines] == [
        "GET /p/a%20b/api/v1/servers HTTP/1.1",
        "GET /below/api/v1/projects HTTP/1.1",
    ]
    assert all("Authorization: Bearer rcl_x" in line for line in lines)


def test_a_token_is_not_sent_on_and_not_shown() -> None:
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n"
    with tcp(moved) as (url, heard):
        client = Client.at(url, "rcl_hunter2")
        with pytest.raises(ApiError) as refused:
            client.status()
        assert refused.value.status == 307
        assert len(heard) == 1
    assert "hunter2" not in repr(client._asking._way) + repr(vars(client))


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:7717", "ftp://a", "http://", "http://user:pw@a", "http://a?x=1", "file:///a"]
)
def test_what_is_no_url_of_an_engine_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of an engine"):
        Client.at(url, "rcl_x")


@pytest.mark.parametrize("token", ["a\r\nX: y", "tökén", "\x00"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="a token has") as refused:
        Client.at("http://127.0.0.1:7717", token)
    assert token not in str(refused.value)


def test_nothing_at_an_address_is_no_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(NoEngine, match="refused"):
        Client.at(url, "rcl_x").hello()


def test_tls_is_spoken_where_the_url_says_so() -> None:
    address = address_of("https://engine.example:8443/x", "rcl_x")
    connection = address.open(1)
    assert (type(connection).__name__, connection.host, connection.port) == ("HTTPSConnection", "engine.example", 8443)
    assert LocalSocket(Path("/x")).headers == {}


# Whole


class Spy:
    """Notes what is asked for and answers everything with an object that has every member."""

    def __init__(self, root: str, asked: list[tuple[str, str]]) -> None:
        self._root = root
        self._asked = asked

    def _note(self, method: str, path: str) -> Any:
        self._asked.append((method, self._root + path.partition("?")[0]))
        return Everything()

    def get(self, path: str, **_: Any) -> Any:
        return self._note("GET", path)

    def text(self, path: str, _: str) -> Any:
        return self._note("GET", path)

    def post(self, path: str, _: Any) -> Any:
        return self._note("POST", path)

    def stream(self, path: str, _: Any, __: Any) -> Any:
        return self._note("POST", path)

    def answer(self, method: str, path: str, *_: Any, **__: Any) -> Any:
        return self._note(method, path)

    def tagged(self, method: str, path: str, *_: Any) -> Any:
        return self._note(method, path), "tag"

    def open(self, method: str, path: str, *_: Any) -> Any:
        self._note(method, path)
        raise NoEngine("it is a spy")


class Everything(dict[str, Any]):
    def __missing__(self, _: str) -> Any:
        return []


GIVEN = {
    **dict.fromkeys(("server", "tool", "plan", "name", "value", "redirected", "who", "call"), "x"),
    "serial": 1,
    "patch": {},
    "document": {"servers": {}},
    "arguments": {},
    "expected": {},
    "role": "viewer",
    "on": True,
    "allow": [],
    "if_match": "*",
    "seconds": 1,
    "file": "x",
    "passphrase": "x",
}


def test_every_route_has_a_method() -> None:
    client, asked = Client(Path("/nowhere")), list[tuple[str, str]]()
    client._engine, client._project, client._asking = (Spy(root, asked) for root in ("", "", "/api/v1"))  # type: ignore[assignment]
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.startswith("_") or name == "at":
            continue
        needed = [
            parameter.name
            for parameter in inspect.signature(method).parameters.values()
            if parameter.default is parameter.empty
        ]
        answer = method(**{name: GIVEN[name] for name in needed})
        if inspect.isgenerator(answer):
            with suppress(NoEngine):
                next(answer)
    paths = document(routes(), root_routes())["paths"]
    described = {
        (method.upper(), re.sub("{[a-z]+}", "x", path))
        for path, item in paths.items()
        for method in item
        if method != "servers"
    }
    assert set(asked) == described


MODELS = {
    call_answers.AnsweredCall: "Answered",
    answers.Calls: "Calls",
    call_answers.Entry: "Entry",
    answers.Error: "Refusal",
    answers.NewToken: "TokenMade",
    answers.Result: "ResultShown",
    answers.Seen: "ObservedShown",
    answers.Back: "Back",
}
"""Those whose names are others."""


def typed() -> Iterator[tuple[Any, str]]:
    """Every class of answers, and the name of the schema that says the same."""
    schemas = document(routes(), root_routes())["components"]["schemas"]
    for module in (answers, call_answers, lock_answers, sealed_answers):
        for name, value in vars(module).items():
            if is_typeddict(value) and value.__module__ == module.__name__:
                known = MODELS.get(value) or next(each for each in (name, f"{name}Shown") if each in schemas)
                yield value, known


def test_every_answer_has_the_members_that_are_described() -> None:
    schemas = document(routes(), root_routes())["components"]["schemas"]
    pairs = list(typed())
    assert len(pairs) > 40
    for value, schema in pairs:
        assert set(get_type_hints(value)) == set(schemas[schema]["properties"]), schema


def test_the_package_hands_out_its_client_when_it_is_asked_for() -> None:
    assert (reconciler.Client, reconciler.NoEngine, reconciler.ApiError) == (Client, NoEngine, ApiError)
    with pytest.raises(AttributeError, match="Clients"):
        _ = reconciler.Clients  # type: ignore[attr-defined]  # that is the point
