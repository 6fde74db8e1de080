"""The insides of the MCP SDK that we build upon are what they were. After an update of the SDK, look here first."""

import inspect
import logging
from importlib.metadata import version
from typing import Any

import anyio
import pytest
from mcp.client import _probe, streamable_http
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import DiscoverResult

from reconciler.sessions.callers import Callers
from reconciler.sessions.sdk import Conversation, Wire, made_here

pytestmark = pytest.mark.anyio


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_this_is_the_version_that_was_read() -> None:
    assert version("mcp").startswith("2.3."), "read the SDK's client again, then move the bound in pyproject.toml"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (_probe.negotiate_auto, ["session"]),
        (ClientSession._build_capabilities, ["self", "version"]),
        (ClientSession.initialize, ["self"]),
        (ClientSession.discover, ["self"]),
        (JSONRPCDispatcher.notify, ["self", "method", "params", "opts", "_related_request_id"]),
        (JSONRPCDispatcher.send_raw_request, ["self", "method", "params", "opts", "_related_request_id"]),
        (JSONRPCDispatcher.run, ["self", "on_request", "on_notify", "on_notify_intercept", "task_status"]),
        (Wire.send_raw_request, ["self", "method", "params", "opts", "_related_request_id"]),
        (Wire.run, ["self", "on_request", "on_notify", "on_notify_intercept", "task_status"]),
        (streamable_http_client, ["url", "http_client", "terminate_on_close", "max_sse_event_size"]),
    ],
)
def test_what_we_call_or_replace_has_this_signature(function: Any, expected: list[str]) -> None:
    assert parameters(function) == expected


def test_the_sse_transport_takes_our_client() -> None:
    assert "httpx_client_factory" in parameters(sse_client)
    made = inspect.getsource(sse_client)
    assert "httpx_client_factory(\n        headers=headers, auth=auth, timeout=" in made


def test_both_transports_send_through_the_client_that_we_replace() -> None:
    for module in (streamable_http, inspect.getmodule(sse_client)):
        source = inspect.getsource(module)  # type: ignore[arg-type]  # a module it is
        assert "within_origin" in source
        assert "client.send(" not in source and "client.post(" not in source and "client.stream(" not in source


def test_messages_are_posted_in_the_context_of_their_sender() -> None:
    assert "sender_ctx.run(" in inspect.getsource(streamable_http.StreamableHTTPTransport.post_writer)


async def test_before_the_handshake_nothing_is_stamped_and_after_it_everything() -> None:
    send, receive = anyio.create_memory_object_stream[Any](1)
    with send, receive:
        ways = {"told": lambda *_: None, "answer": Callers(tuple).answer}
        wire = Wire(receive, send, **ways, unasked=lambda: None, flooded=lambda: None, deadline=0)
        conversation = Conversation(wire)
        assert conversation.stamped("tools/list", {"a": 1}) == ({"a": 1}, {})
        conversation.adopt(_discovered())
        params, options = conversation.stamped("tools/call", {"name": "x"})
        assert params is not None and params["name"] == "x"
        assert set(params["_meta"]) == {
            "io.modelcontextprotocol/protocolVersion",
            "io.modelcontextprotocol/clientInfo",
            "io.modelcontextprotocol/clientCapabilities",
        }
        assert {"mcp-protocol-version", "mcp-method", "mcp-name"} <= set(options["headers"])


def _discovered() -> Any:

    return DiscoverResult.model_validate(
        {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {},
            "resultType": "complete",
            "ttlMs": 0,
            "cacheScope": "private",
        }
    )


@pytest.mark.parametrize(
    "words",
    [
        "Connection closed",
        "Failed to parse JSON response: ",
        "Failed to parse SSE message: ",
        "SSE stream ended without a response",
        "SSE stream failed: ",
        "Unexpected content type: ",
        "server answered a request with 202 Accepted",
    ],
)
def test_the_sdk_still_words_its_own_errors_this_way(words: str) -> None:
    source = inspect.getsource(streamable_http) + inspect.getsource(inspect.getmodule(JSONRPCDispatcher))  # type: ignore[arg-type]
    assert words in source
    assert made_here(MCPError(-32000, words))


def test_a_servers_own_error_is_not_taken_for_the_sdks() -> None:
    assert not made_here(MCPError(-32000, "the database closed its connection"))


@pytest.mark.parametrize("name", ["mcp.client.streamable_http", "client", "mcp.shared.jsonrpc_dispatcher", "httpx2"])
def test_libraries_do_not_log_what_may_hold_secrets(name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)
