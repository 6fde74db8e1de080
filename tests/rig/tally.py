"""An MCP server whose calls leave a trace: `tally.py --file FILE`. Each line of FILE is a call that really ran.

Tools: add(key) writes a line and answers, hang(key) writes a line and never answers, slow(key, ms) answers later.
With --mark M the definitions are others; --readonly says of every tool that it only reads.
"""

import argparse
import os
import threading

from wire import error, messages, result, send, text, tool


class Tally:
    def __init__(self, options):
        self.options = options
        more = {"title": options.mark} if options.mark else {}
        if options.readonly:
            more["annotations"] = {"readOnlyHint": True}
        self.tools = [tool("add", "key", **more), tool("hang", "key", **more), tool("slow", "key", "ms", **more)]

    def serve(self):
        for message in messages():
            if message.get("id") is not None and "method" in message:
                self.answer(message["id"], message["method"], message.get("params") or {})

    def answer(self, number, method, params):
        if method == "initialize":
            facts = {"capabilities": {"tools": {}}, "serverInfo": {"name": "tally", "version": "1"}}
            result(number, {"protocolVersion": params["protocolVersion"], **facts})
        elif method == "tools/list":
            result(number, {"tools": self.tools})
        elif method == "tools/call":
            given, token = params.get("arguments") or {}, (params.get("_meta") or {}).get("progressToken")
            self.write(f"{params['name']} {given.get('key')}")
            self.begin(token)
            self.call(number, params["name"], given)
        elif method == "ping":
            result(number, {})
        else:
            error(number, -32601, f"Method not found: {method}")

    def begin(self, token):
        """Say that a call was written down, where its caller wants to hear of it."""
        if token is not None:
            params = {"progressToken": token, "progress": 0, "message": "arrived"}
            send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    def call(self, number, name, given):
        if name == "add":
            result(number, text("added"))
        elif name == "slow":
            timer = threading.Timer(int(given["ms"]) / 1000, result, (number, text("at last")))
            timer.daemon = True
            timer.start()

    def write(self, line):
        file = os.open(self.options.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{line}\n".encode())
        os.fsync(file)
        os.close(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", required=True)
    parser.add_argument("--mark", default="")
    parser.add_argument("--readonly", action="store_true")
    Tally(parser.parse_args()).serve()


if __name__ == "__main__":
    main()
