"""The client behind a request while it runs: it can be asked and told, each era in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from reconciler.faces.gateway.asking import cannot_ask, missing_capability
from reconciler.faces.gateway.client_session import ClientSession
from reconciler.faces.gateway.limits import Limits
from reconciler.faces.gateway.messages import fault, notification, question
from reconciler.faces.gateway.protocol import TIMED_OUT, UNAVAILABLE, is_loud_enough
from reconciler.faces.gateway.reply import Reply
from reconciler.sessions.session import RpcError

_LOG = "notifications/message"


class HandshakeCaller:
    """A client with a session: it is asked on the stream of its own request, and answers with a POST."""

    def __init__(self, session: ClientSession, reply: Reply, limits: Limits) -> None:
        self._session = session
        self._reply = reply
        self._limits = limits
        self._left = limits.asked
        self._open: set[str] = set()

    @property
    def key(self) -> object:
        return self._session

    @property
    def capabilities(self) -> Mapping[str, Any]:
        return self._session.capabilities

    @property
    def log_level(self) -> str | None:
        return self._session.log_level

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. Raises RpcError when it cannot be asked, answers with an error, or does not answer."""
        missing = missing_capability(method, params, self.capabilities)
        if missing is not None:
            raise cannot_ask(method, missing)
        if self._left == 0:
            raise _too_often(self._limits)
        self._left -= 1
        number, answer = self._session.questions.open()
        self._open.add(number)
        try:
            if not self._reply.say(question(number, method, params), needed=True):
                raise fault(UNAVAILABLE, "The client cannot be asked on this request")
            async with asyncio.timeout(self._limits.patience):
                return await answer
        except TimeoutError:
            self._withdraw(number)
            raise fault(TIMED_OUT, "The client did not answer in time") from None
        except asyncio.CancelledError:
            self._withdraw(number)
            raise
        finally:
            self._open.discard(number)
            self._session.questions.close(number)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass on what belongs to the request, unless the client wanted less."""
        level = self._session.log_level
        if method != _LOG or level is None or is_loud_enough(params.get("level"), level):
            self._reply.say(notification(method, params))

    def close(self) -> None:
        """The request is over: what was asked for its sake waits no longer."""
        for number in self._open:
            self._session.questions.fail(number, fault(UNAVAILABLE, "The request is over"))

    def _withdraw(self, number: str) -> None:
        self._reply.say(notification("notifications/cancelled", {"requestId": number, "reason": "no longer awaited"}))


@dataclass(slots=True)
class Asked:
    """A question that waits for the client's next request."""

    method: str
    params: Mapping[str, Any]
    answer: asyncio.Future[dict[str, Any]]


class StatelessCaller:
    """A client that is known by its request alone: what it is asked becomes the result, and its retry the answer.

    `reply` is whatever request of it is being answered now, `token` its progress token; `on_ask` is called when there
    is something to ask.
    """

    def __init__(self, capabilities: Mapping[str, Any], log_level: str | None, reply: Reply, limits: Limits) -> None:
        self.reply = reply
        self.token: int | str | None = None
        self.asked: dict[str, Asked] = {}
        self.on_ask: Callable[[], None] = _nothing
        self._limits = limits
        self._left = limits.asked
        self._capabilities = capabilities
        self._log_level = log_level
        self._numbers = count(1)

    @property
    def key(self) -> object:
        return self

    @property
    def capabilities(self) -> Mapping[str, Any]:
        return self._capabilities

    @property
    def log_level(self) -> str | None:
        return self._log_level

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer, however many requests later. Raises RpcError when it cannot be asked."""
        missing = missing_capability(method, params, self._capabilities)
        if missing is not None:
            raise cannot_ask(method, missing)
        if self._left == 0:
            raise _too_often(self._limits)
        self._left -= 1
        key = f"question-{next(self._numbers)}"
        asked = self.asked[key] = Asked(method, params, asyncio.get_running_loop().create_future())
        self.on_ask()
        try:
            return await asked.answer
        finally:
            self.asked.pop(key, None)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass on what belongs to the request; log messages only where it asked for them."""
        level = self._log_level
        if method != _LOG or (level is not None and is_loud_enough(params.get("level"), level)):
            self.reply.say(notification(method, params))

    def requests(self) -> dict[str, Any]:
        """What waits for an answer, as the spec's `inputRequests`."""
        return {key: {"method": asked.method, "params": dict(asked.params)} for key, asked in self.asked.items()}

    def go_on(self, reply: Reply, token: int | str | None) -> None:
        """The client came back with another request."""
        self.reply, self.token = reply, token

    def take(self, responses: Mapping[str, Any]) -> None:
        """Answers of the client. Those to nothing that was asked are not looked at."""
        for key, asked in tuple(self.asked.items()):
            answer = responses.get(key)
            if isinstance(answer, dict) and not asked.answer.done():
                del self.asked[key]
                asked.answer.set_result(answer)


def _nothing() -> None:
    pass


def _too_often(limits: Limits) -> RpcError:
    return fault(UNAVAILABLE, f"One request asks its client at most {limits.asked} times")
