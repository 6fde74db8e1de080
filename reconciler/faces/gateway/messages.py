"""JSON-RPC messages of clients: read strictly, written once. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.faces.gateway.long_body import read_long
from reconciler.faces.gateway.protocol import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR
from reconciler.sessions.frames import Verbatim, begins_more, is_deeper, may_hold_surrogates, strict_decoder
from reconciler.sessions.session import RpcError

Id: TypeAlias = int | str
Written: TypeAlias = tuple[bytes | memoryview, ...]
"""JSON in pieces: a long result is put together once."""

LONG = 8 * 1024
"""Characters of a request from which on writing its arguments anew takes longer than finding them in the text."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something to be answered."""

    id: Id
    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notification:
    """Something to be known; it is never answered."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """What a client answers to a question; either `result` or `error` is there."""

    id: Id
    result: dict[str, Any] | None
    error: dict[str, Any] | None


Message: TypeAlias = Request | Notification | Response


class BadMessage(Exception):
    """What came is no message. `id` is that of the request it was meant to be, where it can be told."""

    def __init__(self, code: int, text: str, id: Id | None = None) -> None:
        super().__init__(text)
        self.id = id
        self.error = {"code": code, "message": text}


class _Twice(ValueError):
    pass


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Twice
    return members


_DECODER = strict_decoder(_members)
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def read_body(body: bytes, depth: int) -> Any:
    """The JSON value of a request. Raises BadMessage for what RFC 8259 or UTF-8 does not allow, and for twin names."""
    try:
        value = _decoded(body.decode("utf-8"))
    except _Twice:
        raise BadMessage(INVALID_REQUEST, "Invalid request: an object has the same member twice") from None
    except RecursionError:
        raise BadMessage(PARSE_ERROR, "Parse error: nested too deeply") from None
    except ValueError:
        raise BadMessage(PARSE_ERROR, "Parse error: the body is not JSON in UTF-8") from None
    if begins_more(body, depth) and is_deeper(value, depth):
        raise BadMessage(PARSE_ERROR, "Parse error: nested too deeply")
    if may_hold_surrogates(body):
        _check_text(value)
    return value


def _decoded(text: str) -> Any:
    """The value of a text; a long one keeps the text of its arguments."""
    found = read_long(text, _DECODER.raw_decode) if len(text) >= LONG else None
    return _DECODER.decode(text) if found is None else found


def _check_text(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadMessage(PARSE_ERROR, "Parse error: half a surrogate pair") from None


def message_of(value: Any) -> Message:
    """The message that a JSON value is. Raises BadMessage."""
    if not isinstance(value, dict):
        raise BadMessage(INVALID_REQUEST, "Invalid request: one JSON-RPC object is wanted")
    number = value.get("id")
    known = number if isinstance(number, str) or type(number) is int else None
    if value.get("jsonrpc") != "2.0":
        raise BadMessage(INVALID_REQUEST, 'Invalid request: "jsonrpc" must be "2.0"', known)
    if "id" in value and known is None:
        raise BadMessage(INVALID_REQUEST, "Invalid request: an id is a text or a whole number")
    method = value.get("method")
    if "method" not in value:
        return _response(value, known)
    if not isinstance(method, str):
        raise BadMessage(INVALID_REQUEST, "Invalid request: a method is a text", known)
    params = value.get("params")
    if params is None:
        params = {}
    elif not isinstance(params, dict):
        raise BadMessage(INVALID_PARAMS, "Invalid params: they must be an object", known)
    return Notification(method, params) if known is None else Request(known, method, params)


def _response(value: Mapping[str, Any], number: Id | None) -> Response:
    result, error = value.get("result"), value.get("error")
    if number is not None and isinstance(result, dict) and error is None:
        return Response(number, result, None)
    if number is not None and isinstance(error, dict) and result is None:
        return Response(number, None, error)
    raise BadMessage(INVALID_REQUEST, "Invalid request: neither a request nor an answer", number)


def encode(value: Any) -> bytes:
    """Compact JSON in ASCII. Raises ValueError for NaN."""
    return _ENCODE(value).encode("ascii")


def result_message(id: Id, result: Mapping[str, Any] | Written) -> bytes:
    """The answer to a request; a result that is JSON already is put in as it is."""
    body = result if isinstance(result, tuple) else (result.text if type(result) is Verbatim else encode(result),)
    number = b"%d" % id if type(id) is int else encode(id)
    return b"".join((b'{"jsonrpc":"2.0","id":', number, b',"result":', *body, b"}"))


def error_message(id: Id | None, error: Mapping[str, Any]) -> bytes:
    """The answer to a request that failed."""
    return b'{"jsonrpc":"2.0","id":' + encode(id) + b',"error":' + encode(_readable(error)) + b"}"


def _readable(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error of a server with a code and a message: a client that cannot read an answer goes on waiting for it."""
    code, text = error.get("code"), error.get("message")
    if type(code) is int and isinstance(text, str):
        return error
    mended = {"code": code if type(code) is int else INTERNAL_ERROR, "message": text if isinstance(text, str) else ""}
    return {**error, **mended}


def notification(method: str, params: Mapping[str, Any]) -> bytes:
    """Something a client is told."""
    return encode({"jsonrpc": "2.0", "method": method, "params": params} if params else _bare(method))


def question(id: str, method: str, params: Mapping[str, Any]) -> bytes:
    """Something a client is asked."""
    return encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def _bare(method: str) -> Mapping[str, Any]:
    return {"jsonrpc": "2.0", "method": method}


def batch(messages: Sequence[bytes]) -> bytes:
    """Several answers in one array."""
    return b"[" + b",".join(messages) + b"]"


def fault(code: int, message: str, **data: Any) -> RpcError:
    """An error of ours, to be raised."""
    error: dict[str, Any] = {"code": code, "message": message}
    return RpcError({**error, "data": data} if data else error)
