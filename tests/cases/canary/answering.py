"""A listener of ours that answers what it is told to."""

import asyncio
import ssl
from typing import Any

from reconciler.faces.http.listener import Tls
from tests.faces.http.raw import Line, listened


def answer(*parts: str, asked: str = "", tls: Tls | None = None) -> None:
    """One request with `asked` in it, and an answer in so many writes."""
    trust = ssl.create_default_context(cafile=tls.certificate) if tls else None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        length = sum(map(len, parts))
        headers = [(b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> None:
        head = f"POST / HTTP/1.1\r\nhost: localhost\r\nx-token: {asked}\r\ncontent-length: {len(asked)}\r\n\r\n"
        async with listened(app, tls=tls) as address:
            one = Line(*await asyncio.open_connection(address.host, address.port, ssl=trust))
            await one.say(f"{head}{asked}".encode())
            assert (await one.hear()).body == "".join(parts).encode()
            one.close()

    asyncio.run(run())
