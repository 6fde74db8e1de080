"""Asking an engine over HTTP: its local socket or a TCP address, whole answers, answers in lines, and refusals.

Standard library only: it starts fast.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlencode, urlsplit

from reconciler.store.peer import is_our_engine

Answer: TypeAlias = Mapping[str, Any]
"""A JSON object that somebody else made; `answers` has the members of each."""
OnProgress: TypeAlias = Callable[[Answer], None]

PATIENCE = 120.0
"""Seconds that an answer may take, where its method does not say otherwise."""
_GONE = "the engine went away before it answered"


def ignore(_: Answer) -> None:
    """Nobody wants to hear of progress."""


class NoEngine(Exception):
    """Nothing listens there, it is somebody else's, or it went away before it answered."""


class ApiError(Exception):
    """The engine said no: HTTP `status`, a `code`, a sentence, and whatever else the answer held (`body`)."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        error = body.get("error")
        error = error if isinstance(error, Mapping) else {}
        super().__init__(error.get("message", f"HTTP {status}"))
        self.status = status
        self.code: str = error.get("code", "error")
        self.body = dict(body)


class Way(Protocol):
    """How an engine is reached. `root` stands before every path."""

    @property
    def root(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def open(self, timeout: float | None) -> http.client.HTTPConnection: ...


@dataclass(frozen=True, slots=True)
class LocalSocket:
    """The socket of an engine of this user, who is its owner."""

    path: Path
    root: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def open(self, timeout: float | None) -> http.client.HTTPConnection:
        """Connected to nothing yet."""
        return _UnixConnection(self.path, timeout)


@dataclass(frozen=True, slots=True)
class Address:
    """An engine that listens on TCP, and a token. It is never sent anywhere else: no redirect is followed."""

    scheme: str
    authority: str
    root: str
    token: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def open(self, timeout: float | None) -> http.client.HTTPConnection:
        """Connected to nothing yet."""
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        return kind(self.authority, timeout=timeout)


def address_of(url: str, token: str) -> Address:
    """Raises ValueError for a URL that is not one of HTTP, and for a token that no header can hold."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
        raise ValueError(f"{parts.scheme or 'this'} is no URL of an engine, such as http://127.0.0.1:7717")
    if not token.isascii() or not token.isprintable():
        raise ValueError("a token has letters, digits, dashes and underscores")
    return Address(parts.scheme, parts.netloc, parts.path.rstrip("/"), token)


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


class Asking:
    """Requests below `root`, one connection each. Everything raises NoEngine and ApiError."""

    def __init__(self, way: Way, root: str) -> None:
        self._way = way
        self._root = root

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """What is None is not asked for."""
        return self.answer("GET", _with(path, query), None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.answer("POST", path, body)

    def answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        timeout: float | None = PATIENCE,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The one object of an answer."""
        connection, response = self.open(method, path, body, timeout, headers)
        with closing(connection):
            for answer in objects(response, whole=True):
                return answer
        raise NoEngine(_GONE)

    def tagged(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], str]:
        """The one object of an answer, and its ETag."""
        connection, response = self.open(method, path, body, PATIENCE, headers)
        with closing(connection):
            for answer in objects(response, whole=True):
                return answer, response.headers.get("ETag", "")
        raise NoEngine(_GONE)

    def text(self, path: str, accept: str) -> str:
        """An answer that is no JSON."""
        connection, response = self.open("GET", path, None, PATIENCE, {"Accept": accept})
        with closing(connection):
            try:
                return response.read().decode("utf-8")
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise NoEngine(f"{_GONE}: {error}") from error

    def stream(self, path: str, body: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
        """Lines of `{"progress": ...}` and at the end one `{"result": ...}` or `{"error": ..., "status": ...}`."""
        connection, response = self.open("POST", path, body, None)
        with closing(connection):
            for message in objects(response):
                if "result" in message:
                    result: dict[str, Any] = message["result"]
                    return result
                if "error" in message:
                    raise ApiError(message.get("status", 500), message)
                on_progress(message["progress"])
        raise NoEngine(_GONE)

    def open(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """A request and the head of its answer; the caller closes the connection."""
        connection = self._way.open(timeout)
        try:
            sent = {**self._way.headers, **({"Content-Type": "application/json"} if body is not None else {})}
            target = f"{self._way.root}{self._root}{path}"
            connection.request(method, target, None if body is None else json.dumps(body), {**sent, **(headers or {})})
            response = connection.getresponse()
            if response.status >= 300:
                raise ApiError(response.status, _object(response.read()))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoEngine(str(error)) from error
        except BaseException:
            connection.close()
            raise
        return connection, response


def objects(response: http.client.HTTPResponse, *, whole: bool = False) -> Iterator[dict[str, Any]]:
    """The objects of an answer, one a line, or the `whole` answer as one. Raises NoEngine when it breaks off."""
    try:
        for line in [response.read()] if whole else response:
            if line.strip():
                yield json.loads(line)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoEngine(f"{_GONE}: {error}") from error


def _with(path: str, query: Mapping[str, Any]) -> str:
    given = {name: _in_query(value) for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _in_query(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _object(data: bytes) -> dict[str, Any]:
    """The body of an error; an answer that is not ours says nothing but its status."""
    with suppress(ValueError):
        body = json.loads(data)
        return body if isinstance(body, dict) else {}
    return {}
