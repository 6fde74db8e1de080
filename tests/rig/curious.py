"""A server that wants to know: it asks, it logs, it takes its time. `curious.py [--era handshake|stateless]`

Tools: ask(text, times, method, mode) asks the client's user and answers with what was said; both(text) asks two things
at once; hang() answers only when `release` is called; seen() says which calls it got, which of them were cancelled, and
the `_meta` of each; log(level) logs one message; steps(count) reports progress; late(ms) says the time it took. Prompts
and resources: prompt `asks`, resource `asks://it`, both with a question first; resource `note://one`, which
touch() says was updated.
"""

import argparse
import json
import threading

from wire import error, messages, result, send, text, tool

STATELESS = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
CAPABILITIES = {
    "tools": {"listChanged": True},
    "prompts": {},
    "resources": {"subscribe": True},
    "logging": {},
    "completions": {},
}
INFO = {"name": "curious", "version": "1"}
NAMES = ["ask", "both", "hang", "release", "seen", "log", "steps", "late", "touch", "drop"]


class Curious:
    def __init__(self, stateless):
        self.stateless = stateless
        self.asking = {}
        self.hanging = {}
        self.seen = []
        self.listening = {}
        self.followed = []
        self.level = None

    def serve(self):
        for message in messages():
            params = message.get("params") or {}
            if "method" not in message:
                self.answered(message)
            elif message.get("id") is None:
                self.told(message["method"], params)
            else:
                self.asked(message["id"], message["method"], params)

    def told(self, method, params):
        if method == "notifications/cancelled":
            self.listening.pop(params.get("requestId"), None)
            if self.hanging.pop(params.get("requestId"), None):
                self.seen.append({"cancelled": True})

    def asked(self, number, method, params):
        match method:
            case "initialize" if self.stateless:
                error(number, -32022, "Unsupported protocol version", data={"supported": [STATELESS]})
            case "initialize":
                said = {"capabilities": CAPABILITIES, "serverInfo": INFO}
                result(number, {"protocolVersion": params["protocolVersion"], **said})
            case "server/discover" if self.stateless:
                self.done(number, {"supportedVersions": [STATELESS], "capabilities": CAPABILITIES})
            case "ping" | "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel":
                if method.startswith("resources/"):
                    self.followed.append([method, params["uri"]])
                self.level = params.get("level", self.level)
                result(number, {})
            case "tools/list":
                self.done(number, {"tools": [tool(name) for name in NAMES]})
            case "prompts/list":
                self.done(number, {"prompts": [{"name": "asks"}]})
            case "resources/list":
                self.done(number, {"resources": [{"uri": "note://one", "name": "one"}]})
            case "resources/templates/list":
                self.done(number, {"resourceTemplates": []})
            case "subscriptions/listen":
                wanted = params["notifications"]
                self.listening[number] = wanted.get("resourceSubscriptions", [])
                self.stream(number, "notifications/subscriptions/acknowledged", notifications=wanted)
            case "prompts/get":
                self.question(number, params, lambda said: {"messages": [user(json.dumps(said))]})
            case "resources/read" if params["uri"] == "note://one":
                self.done(number, {"contents": [{"uri": "note://one", "text": "one"}], "ttlMs": 7})
            case "resources/read":
                contents = {"uri": params["uri"], "mimeType": "text/plain"}
                self.question(number, params, lambda said: {"contents": [contents | {"text": json.dumps(said)}]})
            case "completion/complete":
                self.done(number, {"completion": {"values": [params["ref"]["name"]]}})
            case "tools/call":
                self.seen.append({"name": params["name"], "params": params})
                getattr(self, f"do_{params['name']}")(number, params, params.get("arguments") or {})
            case _:
                error(number, -32601, f"Method not found: {method}")

    def done(self, number, members):
        cached = {} if "content" in members else {"ttlMs": 0, "cacheScope": "public"}
        whole = {**cached, "resultType": "complete", "_meta": {PREFIX + "serverInfo": INFO}, **members}
        result(number, whole if self.stateless else members)

    def stream(self, number, method, **members):
        send({"jsonrpc": "2.0", "method": method, "params": {"_meta": {PREFIX + "subscriptionId": number}, **members}})

    # Questions

    def question(self, number, params, finish, times=1, ask=None):
        """Ask `times` times, then answer with everything that was said."""
        ask = ask or [("elicitation/create", {"message": "who?", "requestedSchema": FORM})]
        if self.stateless:
            self.round(number, params, finish, times, ask)
            return
        said = []

        def again():
            if len(said) == times * len(ask):
                self.done(number, finish(said))
            elif len(said) % len(ask) == 0:
                for index, (method, about) in enumerate(ask):
                    key = f"q{number}-{len(said)}-{index}"
                    self.asking[key] = lambda answer: (said.append(answer), again())
                    send({"jsonrpc": "2.0", "id": key, "method": method, "params": about})

        again()

    def round(self, number, params, finish, times, ask):
        said = json.loads(params.get("requestState") or "[]")
        answers = params.get("inputResponses") or {}
        said += [answers[f"key-{index}"] for index in range(len(ask)) if f"key-{index}" in answers]
        if len(said) >= times * len(ask):
            self.done(number, finish(said))
            return
        asked = {f"key-{index}": {"method": method, "params": about} for index, (method, about) in enumerate(ask)}
        state = json.dumps(said)
        result(number, {"resultType": "input_required", "inputRequests": asked, "requestState": state})

    def answered(self, message):
        take = self.asking.pop(message.get("id"), None)
        if take:
            take(message.get("result") or {"error": message.get("error")})

    # Tools

    def do_ask(self, number, params, given):
        about = {"message": given.get("text", "who?"), "requestedSchema": FORM}
        if "mode" in given:
            about = {"message": "go", "mode": given["mode"], "url": "https://example.org/", "elicitationId": "1"}
        method = given.get("method", "elicitation/create")
        if method == "sampling/createMessage":
            about = {"messages": [user("say something")], "maxTokens": 5}
        if method == "roots/list":
            about = {}
        self.question(number, params, lambda said: text(said), int(given.get("times", 1)), [(method, about)])

    def do_both(self, number, params, given):
        about = {"requestedSchema": FORM}
        ask = [("elicitation/create", {"message": word, **about}) for word in ("first?", "second?")]
        self.question(number, params, lambda said: text(said), 1, ask)

    def do_hang(self, number, params, given):
        """Reports progress at once, so that whoever waits knows that it hangs."""
        self.hanging[number] = given.get("text", "released")
        self.step(params, 0)

    def do_release(self, number, params, given):
        for other, said in self.hanging.items():
            self.done(other, text(said))
        self.hanging.clear()
        self.done(number, text("released"))

    def do_seen(self, number, params, given):
        seen = [each for each in self.seen if each.get("name") != "seen"]
        facts = {"seen": seen, "hanging": len(self.hanging), "level": self.level, "followed": self.followed}
        self.done(number, text(facts | {"listening": list(self.listening.values())}))

    def do_log(self, number, params, given):
        wanted = (params.get("_meta") or {}).get(PREFIX + "logLevel")
        if not self.stateless or wanted:
            about = {"level": given.get("level", "info"), "data": given.get("text", "logged"), "vendor": 1}
            send({"jsonrpc": "2.0", "method": "notifications/message", "params": about})
        self.done(number, text("logged"))

    def do_steps(self, number, params, given):
        told = [self.step(params, step) for step in range(int(given.get("count", 2)))]
        self.done(number, text("stepped" if any(told) else "no token"))

    def step(self, params, step):
        token = (params.get("_meta") or {}).get("progressToken")
        if token is None:
            return False
        about = {"progressToken": token, "progress": step, "vendor": "kept"}
        send({"jsonrpc": "2.0", "method": "notifications/progress", "params": about})
        return True

    def do_late(self, number, params, given):
        timer = threading.Timer(int(given["ms"]) / 1000, self.done, (number, text("late")))
        timer.daemon = True
        timer.start()

    def do_touch(self, number, params, given):
        uri = given.get("uri", "note://one")
        if self.stateless:
            for stream in [stream for stream, uris in self.listening.items() if uri in uris]:
                self.stream(stream, "notifications/resources/updated", uri=uri)
        else:
            send({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})
        self.done(number, text("touched"))

    def do_drop(self, number, params, given):
        """Log something that belongs to no call: there is none in flight any more."""
        self.done(number, text("later"))
        about = {"level": given.get("level", "info"), "data": "by itself"}
        send({"jsonrpc": "2.0", "method": "notifications/message", "params": about})


def user(said):
    return {"role": "user", "content": {"type": "text", "text": said}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", default="handshake")
    Curious(parser.parse_args().era == "stateless").serve()


if __name__ == "__main__":
    main()
