"""The lightest MCP server we can write: what is measured is whoever talks to it. `server.py NAME VERSION`

Tools: echo(text), version(). One line in, one line out; the handshake of 2025-06-18.
"""

import json
import sys

NAME, VERSION = sys.argv[1], sys.argv[2]
TOOLS = [
    {"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}},
    {"name": "version", "inputSchema": {"type": "object"}},
]


def answer(method, params):
    """The result, or None for a method that is not known."""
    match method:
        case "tools/call":
            text = params["arguments"]["text"] if params["name"] == "echo" else VERSION
            return {"content": [{"type": "text", "text": text}]}
        case "tools/list":
            return {"tools": TOOLS}
        case "initialize":
            information = {"name": NAME, "version": VERSION}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": information}
        case "ping":
            return {}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = answer(message["method"], message.get("params"))
    outcome = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}) + "\n")
    sys.stdout.flush()
