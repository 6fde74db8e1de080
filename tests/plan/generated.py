"""Generated configurations: groups, defaults, secrets, every transport, as a person could have written them."""

from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from reconciler.model.document import Document
from tests.canary import CANARY
from tests.plan.scenes import keyed

IDS = st.sampled_from(["a", "b", "github", "x-1", "0day"])
GROUPS = st.sampled_from(["dev", "ops"])
APPROVALS = st.sampled_from([True, False, "writes"])
DURATIONS = st.sampled_from(["5s", "2m", "500ms"])
SECRETS = st.sampled_from([CANARY, f"{CANARY}2", "${env:TOKEN}", "Bearer ${secret:s}", "${env:TOKEN:-" + CANARY + "}"])
PLAIN = st.sampled_from(
    [
        "",
        "info",
        "ü",
        "tab\t",
        "\u202e",
        "a|b`c",
        "token=" + CANARY,
        f"https://me:{quote(CANARY, safe='')}@example.com/",
    ]
)
TIMEOUTS = st.dictionaries(st.sampled_from(["start", "list", "call"]), DURATIONS, max_size=2)
GLOBS = st.lists(st.sampled_from(["get_*", "delete_*", "*", "search"]), max_size=2)
JSON = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, 1.0, "x"]) | PLAIN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["k", "/~", "p|q"]), inner, max_size=2),
    max_leaves=5,
)

_COMMON: dict[str, st.SearchStrategy[Any]] = {
    "enabled": st.booleans(),
    "name": st.sampled_from(["Name", "Other"]),
    "description": PLAIN,
    "group": GROUPS,
    "requireApproval": APPROVALS,
    "allowTools": GLOBS,
    "denyTools": GLOBS,
    "tools": st.dictionaries(
        st.sampled_from(["search", "get_*"]),
        st.fixed_dictionaries({}, optional={"requireApproval": APPROVALS, "timeout": DURATIONS}),
    ),
    "metadata": st.dictionaries(st.sampled_from(["k", "/~"]), JSON, max_size=2),
    "timeouts": TIMEOUTS,
    "protect": st.booleans(),
    "lock": st.sampled_from(["off", "warn", "enforce"]),
    "strategy": st.sampled_from(["replace-first", "recreate"]),
}
_STDIO = st.fixed_dictionaries(
    {"command": st.sampled_from(["npx", "uvx"])},
    optional={
        "args": st.lists(PLAIN, max_size=3),
        "cwd": st.just("servers"),
        "env": st.lists(st.sampled_from(["A", "B"]), unique=True, max_size=2)
        | st.dictionaries(st.sampled_from(["A", "B"]), SECRETS, max_size=2),
        **_COMMON,
    },
)
_REMOTE = st.fixed_dictionaries(
    {"url": st.sampled_from(["https://a.example.com/mcp", "https://b.example.com/mcp", "https://b.example.com/v2"])},
    optional={
        "type": st.sampled_from(["http", "sse"]),
        "headers": st.dictionaries(st.sampled_from(["Authorization", "X/Y"]), SECRETS, max_size=2),
        "oauth": st.booleans() | st.fixed_dictionaries({"clientId": st.just("c"), "clientSecret": SECRETS}),
        "azure": st.fixed_dictionaries(
            {"tenantId": st.just("t"), "clientId": st.just("c"), "scope": st.just("s"), "clientSecret": SECRETS}
        ),
        "mock": st.fixed_dictionaries({}, optional={"enabled": st.booleans()}),
        **_COMMON,
    },
)
_SETTINGS = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "project": st.sampled_from(["one", "two"]),
        "envFile": st.just(".env"),
        "lock": st.sampled_from(["off", "warn"]),
        "timeouts": TIMEOUTS,
        "defaults": st.fixed_dictionaries({}, optional={"requireApproval": APPROVALS, "timeouts": TIMEOUTS}),
        "groups": st.dictionaries(
            GROUPS,
            st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "requireApproval": APPROVALS, "name": PLAIN}),
        ),
        "approvals": st.fixed_dictionaries({}, optional={"keep": DURATIONS, "via": st.just(["page"])}),
    },
)
_SERVERS = st.dictionaries(IDS, _STDIO | _REMOTE | st.just({"type": "uplink"}), max_size=4)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid document; secrets in it are the marked one."""
    servers = draw(_SERVERS)
    return Document({**draw(_SETTINGS), "mcpServers": servers}, "demo", keyed)


_DOCUMENTS = documents()


@st.composite
def edits(draw: st.DrawFn) -> tuple[Document, Document]:
    """Two documents that have much in common, as before and after an edit."""
    before, other = draw(_DOCUMENTS), draw(_DOCUMENTS)
    kept = {name: server for name, server in before.servers.items() if draw(st.booleans())}
    settings = before.settings if draw(st.booleans()) else other.settings
    return before, Document({**settings, "mcpServers": {**other.servers, **kept}}, "demo", keyed)
