"""A server that offers whatever a JSON file says at the moment it is asked. `catalog.py FILE [--version V]`

FILE: {"tools", "prompts", "resources", "resourceTemplates": lists as they go out, "capabilities", "instructions",
"answers": {tool name: CallToolResult}}. The tool `tell` (always there, unless the file has `"tell": false`) sends the
list_changed notifications of the kinds in its argument `kinds`; any other tool without an answer says its own name.
prompts/get links to the resource `note://<name>`, resources/read answers the URI it was asked for, completion/complete
the reference, logging/setLevel and resources/subscribe nothing; `update` tells that the resource `uri` changed.
"""

import argparse
import json
from pathlib import Path

from wire import error, messages, result, send, text, tool

LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
CAPABILITIES = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
OWN = [tool("tell", "kinds"), tool("update", "uri")]


def answer(number, method, params, catalog, version):
    match method:
        case "initialize":
            result(number, greeting(params, catalog, version))
        case "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe":
            result(number, {})
        case "tools/call":
            call(number, params["name"], params.get("arguments") or {}, catalog)
        case "prompts/get":
            link = {"type": "resource_link", "uri": f"note://{params['name']}", "name": params["name"]}
            result(number, {"messages": [{"role": "user", "content": link}]})
        case "resources/read":
            result(number, {"contents": [{"uri": params["uri"], "text": f"read {params['uri']}"}]})
        case "completion/complete":
            result(number, {"completion": {"values": [json.dumps(params["ref"], sort_keys=True)]}})
        case _ if method in LISTS:
            member = LISTS[method]
            own = OWN if member == "tools" and catalog.get("tell", True) else []
            result(number, {member: catalog.get(member, []) + own})
        case _:
            error(number, -32601, f"Method not found: {method}")


def greeting(params, catalog, version):
    said = {
        "protocolVersion": params["protocolVersion"],
        "capabilities": catalog.get("capabilities", CAPABILITIES),
        "serverInfo": {"name": "catalog", "version": version, "vendorInfo": [1]},
    }
    return said | ({"instructions": catalog["instructions"]} if "instructions" in catalog else {})


def call(number, name, given, catalog):
    if name == "tell":
        for kind in given["kinds"].split(","):
            send({"jsonrpc": "2.0", "method": f"notifications/{kind}/list_changed"})
    elif name == "update":
        send({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": given["uri"]}})
    result(number, catalog.get("answers", {}).get(name) or text(name))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--version", default="1")
    options = parser.parse_args()
    for message in messages():
        if message.get("id") is not None and "method" in message:
            catalog = json.loads(options.file.read_text())
            answer(message["id"], message["method"], message.get("params") or {}, catalog, options.version)


if __name__ == "__main__":
    main()
