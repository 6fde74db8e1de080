"""A small, well-behaved MCP server of the handshake era. `light.py [--name N] [--mark M] [--version V] [--pids DIR]`

Tools: echo(text), info(), sleep(ms) without blocking others, blob(size), crash(status), change() of the tool list,
progress(steps), ask(text) which asks the client's user, words(text) onto standard error, raw(text) which prints `text`
with `$ID` replaced by the call's id. With --pids every start leaves a file DIR/NAME.PID.
"""

import argparse
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from wire import error, messages, result, send, text, tool, write

TOOLS = [
    tool("echo", "text", vendorField={"deep": [1, 2]}),
    tool("info"),
    tool("sleep", "ms"),
    tool("blob", "size"),
    tool("crash", "status"),
    tool("change"),
    tool("progress", "steps"),
    tool("ask", "text"),
    tool("words", "text"),
    tool("raw", "text"),
]


def open_descriptors():
    """The descriptors it was started with: those that still exist once the listing is over."""
    listed = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    return sorted(number for number in listed if Path(f"/proc/self/fd/{number}").exists())


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="light")
    parser.add_argument("--mark", default="")
    parser.add_argument("--version", default="1")
    parser.add_argument("--pids")
    return parser.parse_args()


class Light:
    def __init__(self, options):
        self.options = options
        self.tools = list(TOOLS)
        self.asking = {}

    def serve(self):
        for message in messages():
            if "method" not in message:
                number = self.asking.pop(message.get("id"), None)
                result(number, text({"answer": message.get("result"), "error": message.get("error")}))
            elif message.get("id") is not None:
                self.answer(message["id"], message["method"], message.get("params") or {})

    def answer(self, number, method, params):
        if method == "initialize":
            result(number, self.greeting(params))
        elif method == "ping":
            result(number, {})
        elif method == "tools/list":
            result(number, {"tools": self.tools, "vendorTop": 1})
        elif method == "tools/call":
            self.call(number, params.get("name"), params.get("arguments") or {}, params.get("_meta") or {})
        else:
            error(number, -32601, f"Method not found: {method}")

    def greeting(self, params):
        info = {"name": self.options.name, "version": self.options.version}
        capabilities = {"tools": {"listChanged": True}, "vendorCapability": {"z": 1}}
        return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}

    def call(self, number, name, given, meta):
        handler = getattr(self, f"do_{name}", None)
        if handler is None:
            error(number, -32602, f"Unknown tool: {name}", data={"tool": name})
        else:
            handler(number, given, meta)

    def do_echo(self, number, given, meta):
        result(number, {**text(given["text"]), "vendorTop": 2})

    def do_info(self, number, given, meta):
        facts = {"name": self.options.name, "mark": self.options.mark, "version": self.options.version}
        status = dict(
            line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
        )
        facts |= {"pid": os.getpid(), "session": os.getsid(0), "group": os.getpgid(0), "cwd": str(Path.cwd())}
        facts |= {"env": dict(os.environ), "argv": sys.argv, "fds": open_descriptors()}
        facts |= {"files": resource.getrlimit(resource.RLIMIT_NOFILE), "umask": int(status["Umask"], 8)}
        result(number, text(facts | {"ignored": status["SigIgn"], "blocked": status["SigBlk"]}))

    def do_sleep(self, number, given, meta):
        timer = threading.Timer(int(given["ms"]) / 1000, result, (number, text("slept")))
        timer.daemon = True
        timer.start()

    def do_blob(self, number, given, meta):
        result(number, text("x" * int(given["size"])))

    def do_crash(self, number, given, meta):
        status = int(given["status"])
        if status < 0:
            os.kill(os.getpid(), signal.Signals(-status))
        os._exit(status)

    def do_change(self, number, given, meta):
        self.tools.append(tool(f"extra{len(self.tools)}"))
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        result(number, text("changed"))

    def do_progress(self, number, given, meta):
        for step in range(int(given["steps"])):
            params = {"progressToken": meta.get("progressToken"), "progress": step, "vendor": "kept"}
            send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        result(number, text(meta))

    def do_ask(self, number, given, meta):
        self.asking[f"q{number}"] = number
        params = {"message": given["text"], "requestedSchema": {"type": "object", "properties": {}}}
        send(
            {
                "jsonrpc": "2.0",
                "id": f"q{number}",
                "method": given.get("method", "elicitation/create"),
                "params": params,
            }
        )

    def do_words(self, number, given, meta):
        sys.stderr.write(given["text"] + "\n")
        sys.stderr.flush()
        result(number, text("said"))

    def do_raw(self, number, given, meta):
        write(given["text"].replace("$ID", str(number)).encode("utf-8", "surrogatepass") + b"\n")


def main():
    options = arguments()
    if options.pids:
        Path(options.pids, f"{options.name}.{os.getpid()}").touch()
    Light(options).serve()


if __name__ == "__main__":
    main()
