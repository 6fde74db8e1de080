"""A listener in a process that may have few descriptors: `narrow.py LIMIT plain|fast`.

It prints its port, and every sentence about being full; it ends with standard input.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import Any

from reconciler.faces.cli.engine import new_loop
from reconciler.faces.http import listener as listening
from reconciler.faces.http.address import Address, bind
from reconciler.faces.http.guard import PlainGuard
from reconciler.faces.http.listener import Listener
from tests.waiting import come_true


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"good"})


def say(text: object) -> None:
    print(text, flush=True)


async def main() -> None:
    bound, address = bind(Address("127.0.0.1", 0))
    made = Listener(app, bound, say=say)
    serving = asyncio.create_task(made.serve())
    await come_true(lambda: made.started, 20)
    say(address.port)
    await asyncio.to_thread(sys.stdin.read)
    made.end()
    await serving


if __name__ == "__main__":
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if sys.argv[2] == "plain":
        listening.parser = lambda: PlainGuard
        asyncio.run(main())
    else:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
