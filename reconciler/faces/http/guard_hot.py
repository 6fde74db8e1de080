"""The fast guard, and past its parser the requests whose head the app knows (see `hot`)."""

from __future__ import annotations

from typing import Any

from reconciler.faces.http.guard_fast import FastGuard
from reconciler.faces.http.hot import MOST_BODY, MOST_HEADS, Begun, Head, Known, learnt

MOST_SEEN = 64 * 1024
"""Bytes of a request that is looked at to learn its head."""


class HotGuard(FastGuard):
    """One request at a time goes past the parser, and only between others."""

    _heads: tuple[Head, ...] = ()
    _seen: bytearray | None = None
    """The bytes of the request that is being parsed, while something may be learnt from them."""
    _part: bytearray | None = None
    """What there is of a request with a known head, until the rest comes; `_span` is where its body begins and ends."""
    _span: tuple[int, int] = (0, 0)
    _known: Known | None = None
    _hot: Begun | None = None
    """What the app took and has not answered yet."""
    _request: bytes = b""
    _handed: Begun | None = None
    _hot_at = 0.0

    @property
    def silent_since(self) -> float | None:
        """Requests that go past the parser count as well."""
        since = super().silent_since
        return None if since is None or self._hot is not None or self._part is not None else max(since, self._hot_at)

    @property
    def waits(self) -> bool:
        return self._hot is not None or super().waits

    def data_received(self, data: bytes) -> None:
        if self._part is not None:
            self._go_on(self._part, data)
        elif not (self._heads and self.flow.none_waits and self._is_between() and self._take(data)):
            super().data_received(data)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        scope: dict[str, Any] = self.scope
        seen = self._seen
        if self._handed is not None:
            scope["begun"], self._handed = self._handed, None
        elif seen is not None:
            scope["learn"] = lambda known: self._learn(seen, known)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._seen = None

    def connection_lost(self, exc: Exception | None) -> None:
        """What a client that goes away means for its request is known in the usual way."""
        self._go_usual()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The listener ends: a request under way is answered first, as all are."""
        self._go_usual()
        super().shutdown()

    def _go_usual(self) -> None:
        """Whatever is under way here is from now on a request as any other."""
        part, self._part = self._part, None
        if self._hot is not None:
            self._hot.hand_over()
        elif part is not None:
            super().data_received(bytes(part))

    def timeout_keep_alive_handler(self) -> None:
        """Requests that went past the parser count as well."""
        rest: float = self.timeout_keep_alive
        if self._hot is None and self._part is None:
            rest += self._hot_at - self.loop.time()
        if rest <= 0:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)

    def answer(self, body: bytes) -> None:
        """As `hot.Line` wants it."""
        self._hot, self._request = None, b""
        self._hot_at = self.loop.time()
        head = b"HTTP/1.1 200 OK\r\n"
        for name, value in self.server_state.default_headers:
            head += name + b": " + value + b"\r\n"
        head += b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.writelines((head, body))
        self.flow.go_on()

    def hand_over(self, begun: Begun) -> None:
        """As `hot.Line` wants it."""
        request, self._request = self._request, b""
        self._hot, self._handed = None, begun
        self._seen = None
        super().parse(request)
        if self._handed is not None:  # the connection is closing: nobody took it up
            self._handed = None
            begun.drop()
        self.flow.go_on()

    def parse(self, data: bytes) -> None:
        """The usual way, where something may be learnt."""
        seen = bytearray() if self._is_between() else self._seen
        self._seen = seen if seen is not None and len(seen) + len(data) <= MOST_SEEN else None
        if self._seen is not None:
            self._seen += data
        super().parse(data)

    def _take(self, data: bytes) -> bool:
        """Whether `data` begins a request with a known head, that goes on here."""
        for head in self._heads:
            start, end = head.spans(data)
            if len(data) == end > 0:
                return self._begin(head.known, data, start)
            if len(data) < end <= start + MOST_BODY:
                self._part, self._span, self._known = bytearray(data), (start, end), head.known
                self._wait_for("body")
                return True
        return False

    def _go_on(self, part: bytearray, data: bytes) -> None:
        """More of a request that began like this."""
        part += data
        start, end = self._span
        if len(part) < end:
            return
        self._part = None
        self._wait_for(None)
        whole = bytes(part)
        if len(whole) > end or self._known is None or not self._begin(self._known, whole, start):
            super().data_received(whole)

    def _begin(self, known: Known, request: bytes, start: int) -> bool:
        """Whether the app takes a whole request."""
        self._hot = known.begin(request[start:], self)
        self._request = request if self._hot is not None else b""
        return self._hot is not None

    def _learn(self, seen: bytearray, known: Known) -> None:
        head = learnt(seen, known)
        if head is not None:
            others = (other for other in self._heads if (other.before, other.after) != (head.before, head.after))
            self._heads = (head, *others)[:MOST_HEADS]

    def _is_between(self) -> bool:
        """Whether nothing is under way: no request, no part of one, and nothing that the client has not read."""
        if self._hot is not None:
            return False
        idle = self.cycle is None or (self.cycle.response_complete and not self._waiting_for and not self.pipeline)
        return bool(idle) and not self._reads_head() and not self.flow.write_paused and not self._refused
