"""Lines in, lines out: what the servers of this folder share. Standard library only."""

import json
import sys
import threading

_LOCK = threading.Lock()


def send(message):
    """Write one message as a line, whole, from whichever thread."""
    write((json.dumps(message) + "\n").encode())


def write(data):
    with _LOCK:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def messages():
    """Every message until the end of input."""
    for line in sys.stdin.buffer:
        if line.strip():
            yield json.loads(line)


def result(number, value):
    send({"jsonrpc": "2.0", "id": number, "result": value})


def error(number, code, text, **data):
    send({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text, **data}})


def text(value):
    """A CallToolResult with one text."""
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def tool(name, *required, **members):
    properties = {key: {"type": "string"} for key in required}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "description": f"{name} of the test rig", "inputSchema": schema, **members}
