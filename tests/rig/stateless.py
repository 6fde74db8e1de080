"""A small MCP server that speaks 2026-07-28 only: no handshake, an envelope in every request, changes on a stream.

Tools: echo(text) with the `_meta` it came with, change() which announces a changed list on every open stream,
hang_up() which ends those streams, streams() which counts how many were opened.
"""

from wire import error, messages, result, send, text, tool

VERSION = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
INFO = {"name": "stateless", "version": "1"}


class Stateless:
    def __init__(self):
        self.tools = [tool("echo", "text"), tool("change"), tool("hang_up"), tool("streams")]
        self.streams = []
        self.opened = 0

    def serve(self):
        for message in messages():
            params = message.get("params") or {}
            if message.get("id") is not None and self.is_addressed(message["id"], message["method"], params):
                self.answer(message["id"], message["method"], params)

    def is_addressed(self, number, method, params):
        meta = params.get("_meta") or {}
        if method == "initialize" or meta.get(PREFIX + "protocolVersion") != VERSION:
            error(number, -32022, "Unsupported protocol version", data={"supported": [VERSION]})
            return False
        return PREFIX + "clientInfo" in meta and PREFIX + "clientCapabilities" in meta

    def answer(self, number, method, params):
        if method == "server/discover":
            capabilities = {"tools": {"listChanged": True}}
            self.complete(number, supportedVersions=[VERSION], capabilities=capabilities, instructions="Be brief.")
        elif method == "tools/list":
            self.complete(number, tools=self.tools, ttlMs=0, cacheScope="public")
        elif method == "subscriptions/listen":
            self.listen(number, params["notifications"])
        elif method == "tools/call":
            getattr(self, f"do_{params['name']}")(number, params)
        else:
            error(number, -32601, f"Method not found: {method}")

    def complete(self, number, **members):
        result(number, {"resultType": "complete", "_meta": {PREFIX + "serverInfo": INFO}, **members})

    def listen(self, number, wanted):
        self.streams.append(number)
        self.opened += 1
        self.stream("notifications/subscriptions/acknowledged", number, notifications=wanted)

    def stream(self, method, number, **members):
        params = {"_meta": {PREFIX + "subscriptionId": number}, **members}
        send({"jsonrpc": "2.0", "method": method, "params": params})

    def do_echo(self, number, params):
        self.complete(number, **text({"text": params["arguments"]["text"], "meta": params["_meta"]}))

    def do_change(self, number, params):
        self.tools.append(tool(f"extra{len(self.tools)}"))
        for stream in self.streams:
            self.stream("notifications/tools/list_changed", stream)
        self.complete(number, **text("changed"))

    def do_hang_up(self, number, params):
        for stream in self.streams:
            result(stream, {"resultType": "complete", "_meta": {PREFIX + "subscriptionId": stream}})
        self.streams.clear()
        self.complete(number, **text("hung up"))

    def do_streams(self, number, params):
        self.complete(number, **text({"open": len(self.streams), "opened": self.opened}))


if __name__ == "__main__":
    Stateless().serve()
