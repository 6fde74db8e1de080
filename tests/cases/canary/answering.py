"""A listener of ours that answers what it is told to."""

import asyncio

from tests.faces.http.raw import ask, listened


def answer(*parts: str, asked: str = "") -> None:
    """One request with `asked` in it, and an answer in so many writes."""

    async def app(scope, receive, send):
        length = sum(map(len, parts))
        headers = [(b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def run():
        head = f"POST / HTTP/1.1\r\nhost: localhost\r\nx-token: {asked}\r\ncontent-length: {len(asked)}\r\n\r\n"
        async with listened(app) as address:
            assert (await ask(address, f"{head}{asked}".encode())).body == "".join(parts).encode()

    asyncio.run(run())
