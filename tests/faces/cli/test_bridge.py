"""`reconciler bridge` as a client starts it, with and without an engine that runs."""

import json
import shlex
import subprocess

from tests.faces.cli.desk import Desk, light
from tests.requirements import requirement

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@requirement("GATE-1:bridge")
def test_a_bridge_that_starts_the_engine_lists_what_comes_up_within_a_moment(desk: Desk) -> None:
    with desk.applied({f"s{number}": slow(f"s{number}") for number in range(3)}):
        assert desk.process("stop").exit == 0
        requests = [
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        ]
        with desk.spawn("bridge", stdin=subprocess.PIPE) as bridge:
            said, _ = bridge.communicate("".join(json.dumps(request) + "\n" for request in requests))
        [listed] = [answer for answer in map(json.loads, said.splitlines()) if answer.get("id") == 2]
        servers = {tool["name"].partition("__")[0] for tool in listed["result"]["tools"]}
        assert servers - {"reconciler"} == {"s0", "s1", "s2"}


def slow(name: str) -> dict[str, object]:
    """A server that takes a while to begin."""
    server = light(name)
    words = shlex.join([server["command"], *server["args"]])
    return {"command": "/bin/sh", "args": ["-c", f"sleep 0.5; exec {words}"]}
