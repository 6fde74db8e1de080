"""A schema may refer to any address: nothing of ours ever looks there."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from reconciler.model.pins import definition_digest
from reconciler.sessions.listing import list_all
from reconciler.sessions.mock import example
from reconciler.sessions.session import Era
from tests.requirements import requirement
from tests.rig.evil_http import EvilHttp, answers, mcp, never
from tests.sessions.remotes import nothing_left, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]
__all__ = ["nothing_left"]


def pointing(to: str) -> dict[str, Any]:
    """A schema that leads away in every way that JSON Schema has."""
    return {
        "$schema": f"{to}/dialect",
        "$id": f"{to}/id",
        "$ref": f"{to}/whole",
        "type": "object",
        "properties": {
            "a": {"$ref": f"{to}/part"},
            "b": {"$dynamicRef": f"{to}/dynamic#a"},
            "c": {"type": "string", "x-mcp-header": "C", "contentSchema": {"$ref": f"{to}/content"}},
            "d": {"$ref": "#/properties/d"},
        },
        "allOf": [{"$ref": f"{to}/all"}],
    }


@requirement("GATE-1:raw")
@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_no_reference_to_the_network_is_followed(era: Era) -> None:
    async with EvilHttp(never) as trap:
        schema = pointing(trap.url)
        tools = [{"name": "look", "inputSchema": schema, "outputSchema": schema, "icons": [{"src": trap.url}]}]
        called = {"content": [{"type": "resource_link", "uri": trap.url}], "structuredContent": {"a": 1}}
        behave = mcp(era, **{"tools/list": answers({"tools": tools}), "tools/call": answers(called)})
        with anyio.fail_after(5):
            async with EvilHttp(behave) as server, opened(server.url) as session:
                listing = await list_all(session, timeout=5)
                assert [dict(tool) for tool in listing.tools] == tools
                definition_digest(listing.tools[0])
                example(schema)
                call = {"name": "look", "arguments": {"c": "x"}}
                assert await session.request("tools/call", call, timeout=5) == called
        assert (trap.connections, trap.requests) == (0, [])
