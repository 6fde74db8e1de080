"""A server that lists what a file says, and counts what reaches it. `listed.py DIR [--hang]`

DIR/lists.json has "tools", "prompts", "resourceTemplates", "resources" and "instructions", and is read for each list.
SIGUSR1 makes it say that its lists changed. Every request but those of the handshake, the lists and pings is a line in
DIR/reached, and so is every notification but those of the handshake and of cancelling. With --hang it starts to answer
only once DIR/go is there.
"""

import json
import signal
import sys
import threading
import time
from pathlib import Path

from wire import error, messages, result, send, text

LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
FOLDER = Path(sys.argv[1])


def lists():
    return json.loads((FOLDER / "lists.json").read_text())


def tell_of_changes():
    while True:
        signal.sigwait({signal.SIGUSR1})
        for name in ("tools", "prompts", "resources"):
            send({"jsonrpc": "2.0", "method": f"notifications/{name}/list_changed"})


def answer(number, method, params):
    if method == "initialize":
        capabilities = {name: {"listChanged": True} for name in ("tools", "prompts", "resources")}
        greeting = {"protocolVersion": params["protocolVersion"], "capabilities": {**capabilities, "completions": {}}}
        instructions = {"instructions": lists()["instructions"]} if lists().get("instructions") else {}
        result(number, {**greeting, **instructions, "serverInfo": {"name": "listed", "version": "1"}})
    elif method == "ping":
        result(number, {})
    elif method in LISTS:
        result(number, {LISTS[method]: lists().get(LISTS[method], [])})
    elif method == "server/discover":
        error(number, -32601, "Method not found")
    else:
        with (FOLDER / "reached").open("a") as reached:
            reached.write(f"{method} {params.get('name') or params.get('uri')}\n")
        result(number, {**text("reached"), "messages": [], "contents": []})


def main():
    # A handler would come in the middle of a write, whose lock it would wait for without end.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    threading.Thread(target=tell_of_changes, daemon=True).start()
    while "--hang" in sys.argv and not (FOLDER / "go").exists():
        time.sleep(0.02)
    for message in messages():
        if "method" in message and message.get("id") is not None:
            answer(message["id"], message["method"], message.get("params") or {})
        elif message.get("method") not in (None, "notifications/initialized", "notifications/cancelled"):
            with (FOLDER / "reached").open("a") as reached:
                reached.write(f"{message['method']} None\n")


if __name__ == "__main__":
    main()
