"""Requests that a server of the stateless era answers with questions: asked, and made again with the answers (MRTR)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from reconciler.sessions.forms import with_defaults
from reconciler.sessions.session import RpcError

Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Params of the request -> its raw result."""
Ask: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Method and params of a question -> what the client answers. Raises RpcError where it cannot be asked."""

MOST_ROUNDS = 8
_BAD_ANSWER = -32603
_OWN = ("inputResponses", "requestState")


async def in_rounds(send: Send, ask: Ask, params: Mapping[str, Any]) -> dict[str, Any]:
    """The final result of a request, after as many questions as the server has; for clients of the handshake era.

    Each round goes to the server as a request of its own (MCP 2026-07-28, basic/utilities/mrtr). Raises RpcError for a
    question that makes no sense, for a client that cannot be asked, and after MOST_ROUNDS.
    """
    once = {name: value for name, value in params.items() if name not in _OWN}
    asked: Mapping[str, Any] = params
    for _ in range(MOST_ROUNDS):
        result = await send(asked)
        if result.get("resultType") != "input_required":
            return result
        asked = {**once, **await _answers(result, ask)}
    raise _refused(f"the server asked {MOST_ROUNDS} times and still has questions")


async def _answers(result: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """What the next round carries: the state exactly as it was given, if one was, and an answer to each question."""
    questions = result.get("inputRequests", {})
    if not isinstance(questions, Mapping):
        raise _refused("the server's questions are no object")
    carried: dict[str, Any] = {"inputResponses": {name: await _answer(asked, ask) for name, asked in questions.items()}}
    if "requestState" in result:
        carried["requestState"] = result["requestState"]
    return carried


async def _answer(question: Any, ask: Ask) -> dict[str, Any]:
    method = question.get("method") if isinstance(question, Mapping) else None
    params = question.get("params", {}) if isinstance(question, Mapping) else None
    if not isinstance(method, str) or not isinstance(params, Mapping):
        raise _refused("the server asked something that is no request")
    answer = await ask(method, params)
    return with_defaults(params, answer) if method == "elicitation/create" else answer


def _refused(why: str) -> RpcError:
    return RpcError({"code": _BAD_ANSWER, "message": f"mcp-reconciler: {why}"})
