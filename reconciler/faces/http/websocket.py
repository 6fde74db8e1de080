"""A connection that became a WebSocket: RFC 6455 by `websockets`, what it may cost by us, ASGI towards the app.

Text only, nothing compressed. Everything is bounded: a message and the frames it comes in, what one turn of the loop
reads, what waits to be taken or to be sent, and how long an end may take. Loaded with the first upgrade.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from websockets.datastructures import Headers
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side
from websockets.server import ServerProtocol

from reconciler.faces.http.limits import Limits
from reconciler.sessions.streams import PAUSE, Ration

PIECE = 4096
"""Bytes that are read in one turn of the loop: whoever sends many small frames slows nobody."""
CLOSE_SECONDS = 1.0
"""For the other side's half of an end, and again for what was written before it."""
NO_STATUS, ABNORMAL = 1005, 1006
"""Codes that never travel: the other side gave none, or nothing was said at all."""
NO_TEXT, NOT_UTF8, POLICY, TOO_BIG, BROKEN, RESTART = 1003, 1007, 1008, 1009, 1011, 1012

_QUIET = logging.getLogger("reconciler.websocket")
_QUIET.disabled = True  # it would write down what is in the frames


class Gone(ConnectionError):
    """Nothing can be sent any more."""


class WebSocket(asyncio.Protocol):
    """One socket, from its upgrade on. `scope` is that of the request, as ASGI has it for sockets."""

    def __init__(self, config: Any, state: Any, transport: Any, scope: MutableMapping[str, Any]) -> None:
        """`config` and `state` are those of the listener (GuardConfig, and uvicorn's ServerState)."""
        self._app = config.loaded_app
        self._limits: Limits = config.limits
        self._state = state
        self._transport = transport
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._frames = Protocol(Side.SERVER, max_size=self._limits.message_bytes, logger=_QUIET)
        self._handshake: Response | None = None
        """Our half of the upgrade, until the app decides."""
        self._refusal: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._over = False
        """Whether the app was told of the end."""
        self._inbox: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._news = asyncio.Event()
        self._unread = bytearray()
        self._reading: asyncio.Handle | None = None
        self._held_up = False
        self._message: list[bytes] = []
        self._parts = 0
        """Frames of messages that came in several, and were not counted yet."""
        self._part_ration = Ration(self._limits.part_frames, self._limits.part_frames)
        self._controls = Ration(self._limits.control_frames, self._limits.control_frames)
        self._writable = asyncio.Event()
        self._writable.set()
        self._asked = False
        """Whether nothing was heard since the last ping."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take over the connection and ask the app, or refuse what is no proper handshake."""
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._scope["headers"]])
        greeted = ServerProtocol(logger=_QUIET)
        self._handshake = greeted.accept(Request("/", headers))
        self._state.connections.add(self)
        self._transport.set_protocol(self)
        if self._handshake.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse(self._handshake.status_code, "bad-upgrade", str(greeted.handshake_exc))
            return
        task = self._loop.create_task(self._run())
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
        except Gone:
            pass
        except Exception as error:
            self._loop.call_exception_handler({"message": "the app of a socket failed", "exception": error})
        finally:
            if self._handshake is not None:
                self._refuse(500, "internal", "the engine could not answer")
            self._close(BROKEN, "")

    # ASGI

    async def receive(self) -> dict[str, Any]:
        """The next event; after `websocket.disconnect` there is none."""
        while not self._inbox:
            self._news.clear()
            await self._news.wait()
        event = self._inbox.popleft()
        if not self._inbox and self._reading is None:
            self._read_on()
        return event

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """As ASGI has it, with refusals in HTTP. Waits for room. Raises Gone, and RuntimeError out of turn."""
        if self._over:
            raise Gone("the socket is closed")
        match event["type"]:
            case "websocket.send" if self._handshake is None:
                await self._say(event["text"])
            case "websocket.close" if self._handshake is None:
                self._close(event.get("code", 1000), event.get("reason") or "")
            case "websocket.accept" if self._handshake is not None:
                self._accept(self._handshake)
            case "websocket.close":
                self._refuse(403, "refused", "this is no place for a socket")
            case "websocket.http.response.start" if self._handshake is not None:
                self._refusal = (event["status"], list(event.get("headers", ())))
            case "websocket.http.response.body" if self._refusal is not None:
                self._answer(*self._refusal, event.get("body", b""))
            case out_of_turn:
                raise RuntimeError(f"{out_of_turn} cannot be sent now")

    def _accept(self, handshake: Response) -> None:
        self._handshake = None
        self._put(handshake.serialize())
        self._timer = self._loop.call_later(self._limits.ping_seconds, self._ping)
        self._read_on()

    async def _say(self, text: str) -> None:
        await self._writable.wait()
        if self._over:
            raise Gone("the socket is closed")
        self._frames.send_text(text.encode())
        self._write()

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        self._answer(status, [(b"content-type", b"application/json")], body)

    def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """An HTTP answer instead of a socket."""
        said = {name.lower(): value for name, value in headers}
        said |= {b"content-length": b"%d" % len(body), b"connection": b"close"}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [name + b": " + value for name, value in said.items()]
        self._put(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self._end(ABNORMAL, "")
        self._let_go()

    # The connection

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._unread += data
        if len(self._unread) > PIECE and not self._held_up:
            self._held_up = True
            self._transport.pause_reading()
        if self._reading is None:
            self._read_on()

    def _read_on(self) -> None:
        """Read a piece, and the next one in the next turn, as long as the app takes what comes of it."""
        self._reading = None
        if self._handshake is not None or (self._inbox and not self._over) or self._transport.is_closing():
            return
        parts = min(self._parts, self._limits.part_frames)
        if parts and not self._part_ration.take(parts, self._loop.time()):
            self._reading = self._loop.call_later(PAUSE, self._read_on)
            return
        self._parts = 0
        piece = bytes(self._unread[:PIECE])
        del self._unread[:PIECE]
        if piece:
            self._frames.receive_data(piece)
            self._take_all()
        if self._unread and not self._transport.is_closing():
            self._reading = self._loop.call_soon(self._read_on)
        elif self._held_up and not self._transport.is_closing():
            self._held_up = False
            self._transport.resume_reading()

    def _take_all(self) -> None:
        for frame in self._frames.events_received():
            assert isinstance(frame, Frame)
            self._asked = False
            self._take(frame)
        self._write()
        if self._frames.parser_exc is not None:
            closed = self._frames.close_sent or Close(ABNORMAL, "")
            self._hang_up(closed.code, closed.reason)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._write()
            closed = self._frames.close_rcvd or Close(NO_STATUS, "")
            self._end(closed.code, closed.reason)
            self._let_go()
        elif self._over:
            return
        elif frame.opcode is Opcode.BINARY:
            self._fail(NO_TEXT, "only text frames are understood")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._collect(frame)
        elif not self._controls.take(1, self._loop.time()) or not self._writable.is_set():
            self._fail(POLICY, "too many control frames")

    def _collect(self, frame: Frame) -> None:
        self._parts += 0 if frame.fin and frame.opcode is Opcode.TEXT else 1
        self._message.append(bytes(frame.data))
        if len(self._message) > self._limits.message_frames:
            self._fail(TOO_BIG, f"a message may come in {self._limits.message_frames} frames")
        elif frame.fin:
            whole, self._message = b"".join(self._message), []
            try:
                self._tell({"type": "websocket.receive", "text": whole.decode()})
            except UnicodeDecodeError:
                self._fail(NOT_UTF8, "the text is not UTF-8")

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._end(ABNORMAL, "the connection broke off")
        self._stop_timer()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def shutdown(self) -> None:
        """The listener ends (uvicorn)."""
        if self._handshake is not None:
            self._refuse(503, "stopping", "the engine stops")
        self._close(RESTART, "the engine stops")

    def _ping(self) -> None:
        """Ask whether anybody is there. Whoever we do not read cannot be asked."""
        if self._asked and not self._inbox:
            self._fail(BROKEN, "no answer to a ping")
            return
        if self._writable.is_set():
            self._frames.send_ping(b"")
            self._write()
        self._asked = True
        self._timer = self._loop.call_later(self._limits.ping_seconds, self._ping)

    # Ends. The app is told of the first one. What is on its way gets a moment: closing at once would cut off our words

    def _close(self, code: int, reason: str) -> None:
        """The app, or the listener, has enough: the other side is to say so too."""
        if not self._over:
            self._frames.send_close(code, reason)
            self._write()
            self._hang_up(code, reason)
            self._read_on()

    def _fail(self, code: int, reason: str) -> None:
        """The other side does what it may not."""
        if not self._over:
            self._frames.fail(code, reason)
            self._write()
            self._hang_up(code, reason)

    def _hang_up(self, code: int, reason: str) -> None:
        if not self._over:
            self._end(code, reason)
            self._stop_timer()
            self._timer = self._loop.call_later(CLOSE_SECONDS, self._let_go)

    def _let_go(self) -> None:
        self._stop_timer()
        if not self._transport.is_closing():
            self._timer = self._loop.call_later(CLOSE_SECONDS, self._transport.abort)
            self._transport.close()

    def _end(self, code: int, reason: str) -> None:
        if not self._over:
            self._over = True
            self._handshake = None
            self._message.clear()
            self._writable.set()  # whoever waits for room learns that there is none
            self._tell({"type": "websocket.disconnect", "code": code, "reason": reason})

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self, event: dict[str, Any]) -> None:
        self._inbox.append(event)
        self._news.set()

    def _write(self) -> None:
        self._put(b"".join(self._frames.data_to_send()))

    def _put(self, data: bytes) -> None:
        if data and not self._transport.is_closing():
            self._transport.write(data)
