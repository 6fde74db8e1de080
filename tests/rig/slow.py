"""A server that is slow and answers in any order. Tool: tell(tag) gives its tag back, after one progress with the tag.

Requests are kept until twenty are there or none came for 5 ms; then they are answered shuffled.
"""

import json
import os
import random
import select

from wire import error, result, send, text, tool

SHUFFLED, PAUSE = 20, 0.005


def answer(message):
    number, params = message["id"], message.get("params") or {}
    if message["method"] == "initialize":
        greeting = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}}
        result(number, {**greeting, "serverInfo": {"name": "slow", "version": "1"}})
    elif message["method"] == "tools/list":
        result(number, {"tools": [tool("tell", "tag")]})
    elif message["method"] == "tools/call":
        tag, token = params["arguments"]["tag"], (params.get("_meta") or {}).get("progressToken")
        if token is not None:
            said = {"progressToken": token, "progress": 1, "message": tag}
            send({"jsonrpc": "2.0", "method": "notifications/progress", "params": said})
        result(number, text(tag))
    elif message["method"] == "ping":
        result(number, {})
    else:
        error(number, -32601, "Method not found")


def main():
    waiting, rest = [], b""
    while True:
        ready, _, _ = select.select([0], [], [], PAUSE if waiting else None)
        if ready:
            piece = os.read(0, 65536)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            waiting += [message for message in map(json.loads, filter(None, lines)) if "id" in message]
        if waiting and (not ready or len(waiting) >= SHUFFLED):
            random.shuffle(waiting)
            for message in waiting:
                answer(message)
            waiting = []


if __name__ == "__main__":
    main()
