"""A server that says without end that its tools changed. Tools: storm(seconds) at 10 000 a second, lists(), rename().

lists() tells how often the tools were listed; rename() changes the name of the tool `named-N` and says so once.
"""

import json
import threading
import time

from wire import error, messages, result, send, text, tool, write

CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
PER_SECOND, BURST = 10_000, 100


class Stormy:
    def __init__(self):
        self.listed = 0
        self.name = 0

    def serve(self):
        for message in messages():
            if message.get("id") is not None:
                self.answer(message["id"], message["method"], message.get("params") or {})

    def answer(self, number, method, params):
        if method == "initialize":
            greeting = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {"listChanged": True}}}
            result(number, {**greeting, "serverInfo": {"name": "stormy", "version": "1"}})
        elif method == "tools/list":
            self.listed += 1
            result(
                number, {"tools": [tool("storm", "seconds"), tool("lists"), tool("rename"), tool(f"named-{self.name}")]}
            )
        elif method == "tools/call" and params["name"] == "storm":
            threading.Thread(target=storm, args=(number, float(params["arguments"]["seconds"])), daemon=True).start()
        elif method == "tools/call" and params["name"] == "lists":
            result(number, text(str(self.listed)))
        elif method == "tools/call" and params["name"] == "rename":
            self.name += 1
            send(CHANGED)
            result(number, text(f"named-{self.name}"))
        elif method == "ping":
            result(number, {})
        else:
            error(number, -32601, "Method not found")


def storm(number, seconds):
    line = (json.dumps(CHANGED) + "\n").encode()
    sent, begin = 0, time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        if sent < passed * PER_SECOND:
            write(line * BURST)
            sent += BURST
        else:
            time.sleep(0.001)
    result(number, text(str(sent)))


if __name__ == "__main__":
    Stormy().serve()
