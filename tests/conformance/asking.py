"""One call of the fixture while it runs: what it asks of the client's user is written once for both protocol eras.

The handshake era asks in the middle of the call; the stateless era ends the call with what it needs, and the client
calls again with the answers and the state it was given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from pydantic import TypeAdapter

Result: TypeAlias = dict[str, Any]
Context: TypeAlias = ServerRequestContext[Any, Any]
Schema: TypeAlias = Mapping[str, Any]

STATELESS = "2026-07-28"
INVALID = -32602
BUS = InMemorySubscriptionBus()
_KEY = b"only for tests"
_REQUEST: TypeAdapter[Any] = TypeAdapter(types.ServerRequest)
_ANSWERS: Mapping[str, type[types.Result]] = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A request to the client, and the capability that it must have declared."""

    method: str
    params: Mapping[str, Any]
    capability: str


def elicit(message: str, *required: str, **properties: Schema) -> Question:
    schema = {"type": "object", "properties": properties, "required": list(required or properties)}
    return Question("elicitation/create", {"message": message, "requestedSchema": schema}, "elicitation")


def sample(prompt: str, most: int = 100) -> Question:
    messages = [{"role": "user", "content": {"type": "text", "text": prompt}}]
    return Question("sampling/createMessage", {"messages": messages, "maxTokens": most}, "sampling")


ROOTS = Question("roots/list", {}, "roots")


class Unanswered(Exception):
    """Stateless era: the call ends here and is made again with the answers."""

    def __init__(self, questions: Mapping[str, Question], answered: Mapping[str, Any]) -> None:
        super().__init__()
        self.result: Result = {
            "resultType": "input_required",
            "inputRequests": {
                key: {"method": asked.method, "params": dict(asked.params)} for key, asked in questions.items()
            },
            "requestState": sealed(answered),
        }


def sealed(answered: Mapping[str, Any]) -> str:
    """A requestState that nobody else can make."""
    text = base64.urlsafe_b64encode(json.dumps(answered, sort_keys=True).encode()).decode()
    return f"{text}.{_mark(text)}"


def opened(state: Any) -> dict[str, Any]:
    """The answers of earlier rounds. Raises MCPError for a state that is not ours."""
    text, _, mark = state.rpartition(".") if isinstance(state, str) else ("", "", "")
    if not hmac.compare_digest(mark.encode(), _mark(text).encode()):
        raise MCPError(INVALID, "The requestState was tampered with")
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
    return found


def _mark(text: str) -> str:
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()


class Call:
    """One tools/call or prompts/get while it runs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.params: Mapping[str, Any] = context.params or {}
        self.arguments: Mapping[str, Any] = self.params.get("arguments") or {}
        state = self.params.get("requestState")
        self._answered = opened(state) if state is not None else {}

    @property
    def stateless(self) -> bool:
        return self._context.protocol_version >= STATELESS

    @property
    def capabilities(self) -> Mapping[str, Any]:
        declared = self._context.session.client_capabilities
        return declared.model_dump(by_alias=True, mode="json", exclude_none=True) if declared else {}

    async def ask(self, **questions: Question) -> dict[str, Any]:
        """The answers by the names of the questions."""
        if not self.stateless:
            return {key: await self._ask(question) for key, question in questions.items()}
        given = self.params.get("inputResponses")
        fresh = {key: given[key] for key in questions if isinstance(given.get(key), dict)} if given else {}
        self._answered |= fresh
        open_ones = {key: question for key, question in questions.items() if key not in self._answered}
        if open_ones:
            raise Unanswered(open_ones, self._answered)
        return {key: self._answered[key] for key in questions}

    async def _ask(self, question: Question) -> dict[str, Any]:
        if question.capability not in self.capabilities:
            raise MCPError(INVALID, f"The client did not declare {question.capability}")
        request = _REQUEST.validate_python({"method": question.method, "params": dict(question.params)})
        metadata = ServerMessageMetadata(related_request_id=self._context.request_id)
        answer = await self._context.session.send_request(request, _ANSWERS[question.method], metadata=metadata)
        found: dict[str, Any] = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        return found

    async def log(self, text: str) -> None:
        await self._context.session.send_log_message("info", text, related_request_id=self._context.request_id)

    async def progress(self, done: float, total: float) -> None:
        await self._context.session.report_progress(done, total)

    async def tell_of_tools(self) -> None:
        await BUS.publish(ToolsListChanged())
        if not self.stateless:
            await self._context.session.send_tool_list_changed()

    async def tell_of_prompts(self) -> None:
        await BUS.publish(PromptsListChanged())
        if not self.stateless:
            await self._context.session.send_prompt_list_changed()
