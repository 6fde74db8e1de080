"""The typed server: transports as types, durations as seconds, approval in our words."""

from typing import Any

import pytest

from reconciler.model.document import Document
from reconciler.model.secret import SecretRef, Template
from reconciler.model.server import Mock, Remote, Server, Stdio, Timeouts, ToolRule, Uplink, approval_of, seconds
from tests.requirements import requirement


def server(written: dict[str, Any]) -> Server:
    return Document({"version": 1, "mcpServers": {"a": written}}).server("a")


@requirement("CFG-3:transports")
def test_a_command_is_a_process() -> None:
    written = {"command": "${BIN}", "args": ["-y", "x"], "cwd": "tools", "env": {"A": "b"}}
    assert server(written).transport == Stdio(
        command=Template((SecretRef("env", "BIN"),)),
        args=(Template(("-y",)), Template(("x",))),
        cwd=Template(("tools",)),
        env={"A": Template(("b",))},
    )
    assert server({"command": "a", "env": ["B", "C"]}).transport == Stdio(Template(("a",)), forward=("B", "C"))


@requirement("CFG-3:transports")
@pytest.mark.parametrize(("written", "kind"), [({}, "http"), ({"type": "http"}, "http"), ({"type": "sse"}, "sse")])
def test_a_url_is_a_remote_server(written: dict[str, Any], kind: str) -> None:
    transport = server({"url": "https://example.com", "headers": {"A": "b"}, "oauth": True, **written}).transport
    assert transport == Remote(kind, Template(("https://example.com",)), {"A": Template(("b",))}, oauth=True)  # type: ignore[arg-type]


@requirement("CFG-3:transports")
def test_a_server_may_dial_in_or_be_a_mock() -> None:
    assert server({"type": "uplink"}).transport == Uplink()
    assert server({"command": "a", "mock": {"tools": [{"name": "x"}], "responses": {"x": 1}}}).transport == Mock(
        ({"name": "x"},), {"x": 1}
    )
    assert server({"command": "a", "mock": {"enabled": False}}).transport == Stdio(Template(("a",)))
    assert server({"command": "a", "mock": {"tools": []}}).transport == Mock(())


@requirement("CFG-3:mock")
@pytest.mark.parametrize(
    "mock", [{}, {"enabled": True}, {"enabled": False}, {"scenario": "x"}, {"enabled": None}, None]
)
def test_what_needs_no_yes_because_it_is_a_mock_is_one(mock: dict[str, Any] | None) -> None:
    read = Document({"mcpServers": {"a": {"command": "a", "mock": mock}}})
    assert (read.launch("a") == {}) == isinstance(read.server("a").transport, Mock)


@requirement("CFG-4:extra-fields")
def test_every_other_field_has_its_place() -> None:
    azure = {"tenantId": "t", "clientId": "c", "clientSecret": "s", "scope": "x"}
    made = server(
        {
            "url": "https://example.com",
            "azure": azure,
            "name": "A",
            "description": "what",
            "group": "g",
            "enabled": False,
            "requireApproval": "writes",
            "allowTools": ["a*"],
            "denyTools": ["b"],
            "tools": {"x": {"requireApproval": False, "timeout": "1m"}, "y": {}},
            "timeouts": {"start": "500ms"},
            "strategy": "recreate",
            "protect": True,
            "required": True,
            "lock": "off",
            "connection": "direct",
            "metadata": {"any": [1]},
        }
    )
    assert made == Server(
        id="a",
        name="A",
        transport=Remote("http", Template(("https://example.com",)), azure=azure),
        enabled=False,
        approval="writes",
        group="g",
        description="what",
        timeouts=Timeouts(0.5, 15.0, 60.0),
        rules=(ToolRule("x", "never", 60.0), ToolRule("y")),
        allow=("a*",),
        deny=("b",),
        strategy="recreate",
        required=True,
        protect=True,
        lock="off",
        connection="direct",
        spec=made.spec,
    )


def test_a_server_has_the_defaults_of_the_type() -> None:
    made = server({"command": "a"})
    assert made == Server("a", "a", Stdio(Template(("a",))), spec=made.spec)


@pytest.mark.parametrize(("written", "word"), [(True, "always"), (False, "never"), ("writes", "writes")])
def test_approval_has_three_words_inside(written: bool | str, word: str) -> None:
    assert approval_of(written) == word


@pytest.mark.parametrize(
    ("written", "value"), [("500ms", 0.5), ("30s", 30.0), ("1.5s", 1.5), ("2m", 120.0), ("8h", 28800.0), ("0s", 0.0)]
)
def test_a_duration_is_seconds(written: str, value: float) -> None:
    assert seconds(written) == pytest.approx(value)
