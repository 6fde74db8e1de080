"""The one reader: a file that is right is a document, one that is not is all of its problems."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.config.read import Reading, Source, read
from reconciler.model.secret import HIDDEN
from reconciler.problems import Place, Problem, in_order
from tests.canary import CANARY, canary_written
from tests.requirements import requirement

WHOLE = """\
# yaml-language-server: $schema=./schemas/reconciler-1.schema.json
$schema: ./schemas/reconciler-1.schema.json
version: 1
project: acme-dev
defaults:
  requireApproval: writes
  timeouts: {start: 30s, call: 60s}
timeouts: {list: 10s}
envFile: .env
lock: enforce
approvals: {via: [page, cli, client], keep: 8h, remember: file}
groups:
  dev: {name: Development, color: "#6366f1", enabled: true, description: For us, requireApproval: true}
mcpServers:
  github:
    command: bunx
    args: ["@modelcontextprotocol/server-github"]
    cwd: tools
    env: [GITHUB_PERSONAL_ACCESS_TOKEN]
    name: GitHub
    group: dev
    description: Issues and pull requests
    denyTools: ["delete_*"]
    allowTools: ["*"]
    tools:
      create_issue: {requireApproval: true, timeout: 2m}
    metadata: {team: engineering, list: [null, {x: null}]}
    iconUrl: https://example.com/icon.png
    timeouts: {start: 1m}
    strategy: recreate
    protect: true
    required: true
    lock: "off"
    connection: proxy
  docs:
    url: https://example.com/mcp
    type: sse
    headers: {Authorization: "Bearer ${env:DOCS_TOKEN}"}
    enabled: false
    requireApproval: false
  remote:
    url: https://oauth.example.com/mcp
    oauth:
      {clientId: x, clientSecret: "${secret:x}", scopes: [a], issuer: https://id.example.com, resource: omit}
  simple: {url: "https://oauth.example.com/mcp", oauth: true}
  entra:
    url: https://contoso.example.net/mcp
    azure:
      {tenantId: t, clientId: c, clientSecret: "${secret:e}", scope: "api://r/.default", authorityHost: h, resource: r}
  dials: {type: uplink}
  pretends: {mock: {enabled: true, scenario: A quiet day, tools: [{name: x}], responses: {x: {a: null}}}}
"""
CLIENT_FILE = {
    "mcpServers": {
        "time": {"command": "uvx", "args": ["mcp-server-time"], "env": {"TZ": "UTC"}},
        "web": {"type": "streamable-http", "url": "https://example.com/mcp", "headers": {"X-A": "${TOKEN}"}},
        "off": {"type": "local", "command": "x", "disabled": True, "alwaysAllow": ["read"]},
    },
    "globalShortcut": "Ctrl+Space",
}


def one(text: str, name: str = "reconciler.yaml", **how: Any) -> Reading:
    return read([Source(name, text)], default_project="here", **how)


def codes(reading: Reading) -> list[str]:
    return [problem.code for problem in reading.problems]


@requirement("CFG-1:yaml-declares", "CFG-2:seed-fields", "CFG-3:transports", "CFG-4:extra-fields")
def test_a_file_with_every_field_is_a_document() -> None:
    reading = one(WHOLE.replace("a: null", "a: 1"))
    assert reading.problems == ()
    assert reading.written is not None
    assert list(reading.written["mcpServers"]) == ["github", "docs", "remote", "simple", "entra", "dials", "pretends"]
    document = reading.document()
    assert document.project == "acme-dev"
    kinds = {name: type(document.server(name).transport).__name__ for name in document.servers}
    assert list(kinds.values()) == ["Stdio", "Remote", "Remote", "Remote", "Remote", "Uplink", "Mock"]


def test_a_null_in_a_map_is_refused_also_deep_inside_what_is_yours() -> None:
    assert codes(one(WHOLE)) == ["empty-value"]


@requirement("CFG-2:seed-defaults")
def test_the_smallest_files_are_documents() -> None:
    reading = one("mcpServers: {}")
    assert reading.written == {"mcpServers": {}}
    assert reading.document().project == "here"
    facts = one("mcpServers: {a: {command: b}}").document().facts("a")
    assert (facts["enabled"], facts["requireApproval"], facts["name"], facts["oauth"]) == (True, True, "a", False)


@requirement("CFG-1:mcp-json-is-valid")
@pytest.mark.parametrize("name", [".mcp.json", "claude_desktop_config.json", "client.yaml"])
def test_a_file_of_a_client_is_valid_as_it_is(name: str) -> None:
    reading = one(json.dumps(CLIENT_FILE, indent=2), name)
    assert [(p.severity, p.code) for p in reading.problems] == [("warning", "unknown-field")] * 2
    assert reading.written == CLIENT_FILE
    document = reading.document()
    assert [document.facts(name)["type"] for name in document.servers] == ["stdio", "http", "stdio"]
    assert [document.facts(name)["enabled"] for name in document.servers] == [True, True, False]


@requirement("CFG-1:mcp-json-is-valid")
def test_with_a_version_the_words_of_other_clients_are_mistakes() -> None:
    found = codes(one(json.dumps({"version": 1, **CLIENT_FILE})))
    assert found == ["bad-value", "bad-value", "unknown-field", "unknown-field", "unknown-field"]


def test_json_is_yaml_but_a_json_file_may_hold_more_of_json() -> None:
    text = '{"mcpServers": {"a": {"command": "\\ud83d\\ude00"}}}'
    assert one(text, "a.json").written == {"mcpServers": {"a": {"command": "\U0001f600"}}}
    assert codes(one(text, "a.yaml")) == ["yaml-syntax"]


def test_the_value_is_the_one_that_was_written() -> None:
    text = "mcpServers: {a: {command: b, env: [C], enabled: true, x: 1}, d: {url: 'http://e', type: http}}"
    assert one(text).written == {
        "mcpServers": {
            "a": {"command": "b", "env": ["C"], "enabled": True, "x": 1},
            "d": {"url": "http://e", "type": "http"},
        }
    }


@requirement("CFG-6:all-problems-at-once")
def test_all_problems_of_all_files_come_sorted_and_without_a_document() -> None:
    main = "version: 1\nlock: maybe\nmcpServers:\n  a: {}\n  b: {command: b, enabled: 'no'}\n"
    reading = read(
        [Source("m.yaml", main), Source("l.yaml", "project: api\nmcpServers: {c: {url: x}}")], default_project="p"
    )
    assert [f"{p.place}:{p.code}" for p in reading.problems] == [
        *("l.yaml:1:10:reserved-name", "l.yaml:2:23:bad-url"),
        *("m.yaml:2:7:bad-value", "m.yaml:4:3:no-transport", "m.yaml:5:28:wrong-type"),
    ]
    assert reading.written is None
    with pytest.raises(ValueError, match="no document"):
        reading.document()


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ("{comand: x}", "unknown-field"),
        ("{command: }", "empty-value"),
        ("{command: 5}", "wrong-type"),
        ("{command: x, type: 5}", "bad-value"),
        ("{<<: {command: x}}", "merge-key"),
        ("{url: x, url: 'http://y'}", "duplicate-key"),
        ("5", "wrong-type"),
        ("", "empty-value"),
        ("{url: 'http://x', azure: {tenantId: , clientId: c, clientSecret: '${secret:s}', scope: s}}", "empty-value"),
        ("{url: 'http://x', oauth: {grant: client_credentials, clientId: 5, clientSecret: '${A}'}}", "wrong-type"),
        ("{command: x, env: {A: !x 5}}", "custom-tag"),
        ("{command: x, args: !x y}", "custom-tag"),
        ("{command: x, metadata: {a: 1e999}}", "number-too-large"),
        ("{command: x, metadata: &a {b: *a}}", "recursive-alias"),
    ],
)
@requirement("CFG-6:all-problems-at-once")
def test_one_mistake_is_one_problem(server: str, code: str) -> None:
    found = codes(one(f"version: 1\nmcpServers:\n  a: {server}\n"))
    assert found == [code] or (code == "duplicate-key" and found == ["bad-url", "duplicate-key"])


def test_the_same_mistake_behind_an_anchor_is_one_problem() -> None:
    text = "version: 1\nmcpServers:\n  a: &x {command: a, enabled: 'no', nmae: x}\n  b: *x\n  c: *x\n"
    assert [f"{p.place}:{p.code}" for p in one(text).problems] == [
        "reconciler.yaml:3:31:wrong-type",
        "reconciler.yaml:3:37:unknown-field",
    ]


@requirement("CFG-6:did-you-mean")
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("enabeld: true", 'did you mean "enabled"?'),
        ("requireaproval: true", 'did you mean "requireApproval"?'),
        ("cmd: x", 'did you mean "command"?'),
        ("servers: {}", None),
        ("lock: enforced", 'did you mean "enforce"?'),
        ("strategy: recreated", 'did you mean "recreate"?'),
    ],
)
def test_a_misspelt_word_names_the_one_that_was_meant(text: str, hint: str | None) -> None:
    (problem,) = one(f"version: 1\nmcpServers:\n  a:\n    command: a\n    {text}\n").problems
    assert problem.hint == hint or hint is None


def test_a_literal_secret_is_a_warning_and_strictly_an_error() -> None:
    text = "mcpServers: {a: {command: a, env: {TOKEN: hunter2}}}"
    loose, strict = one(text), one(text, strict=True)
    assert [(p.severity, p.code) for p in loose.problems] == [("warning", "literal-secret")]
    assert [(p.severity, p.code) for p in strict.problems] == [("error", "literal-secret")]
    assert loose.written is not None
    assert strict.written is None


def test_a_document_hides_secrets_the_way_it_is_told() -> None:
    reading = one("mcpServers: {a: {command: a, env: {TOKEN: hunter2}}}")
    assert reading.document().masked()["mcpServers"]["a"]["env"] == {"TOKEN": HIDDEN}
    assert reading.document(lambda text: f"#{len(text)}").masked()["mcpServers"]["a"]["env"] == {"TOKEN": "#7"}


def test_a_reading_can_be_refused_before_there_is_any_text() -> None:
    problem = Problem("error", "unreadable-file", "s", "d", Place("a.yaml", 1, 1))
    reading = Reading.refused([problem])
    assert (reading.written, reading.problems) == (None, (problem,))
    assert reading.place(("a",)) is None
    assert reading.shown("a.yaml") is None


def test_a_file_that_could_not_be_parsed_has_no_tree() -> None:
    reading = read(
        [Source("a.yaml", "mcpServers: {}"), Source("b.yaml", "a: ["), Source("c.yaml", "- 1")], default_project="p"
    )
    assert [tree is None for tree in reading.trees] == [False, True, True]
    assert [(p.place.file, p.code) for p in reading.problems if p.place] == [
        ("b.yaml", "yaml-syntax"),
        ("c.yaml", "not-a-map"),
    ]


def test_no_problem_ever_repeats_a_secret() -> None:
    for damage in ("", "\n  broken: [", "\nversion: 2\n"):
        text = json.dumps(canary_written(), indent=1) + damage
        for name in ("a.yaml", "a.json"):
            for problem in one(text, name).problems:
                assert CANARY not in json.dumps(problem.to_json())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_however_a_file_is_damaged_there_are_problems_or_a_document(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 40)))
    insert = data.draw(st.text(st.sampled_from("ab: -[]{}\"'\n\t#&*!|>%@`,?<~\x00\ufeff${}1"), max_size=8))
    reading = one(WHOLE[:start] + insert + WHOLE[end:])
    assert (reading.written is None) == any(p.severity == "error" for p in reading.problems)
    assert all(problem.place for problem in reading.problems)
    assert list(reading.problems) == in_order(reading.problems)
    if reading.written is not None:
        for name in reading.document().servers:
            reading.document().server(name)


def test_a_file_cut_at_any_line_has_problems_or_is_a_document() -> None:
    text = WHOLE.replace("a: null", "a: 1")
    lines = text.splitlines(keepends=True)
    for count in range(len(lines)):
        reading = one("".join(lines[:count]))
        assert (reading.written is None) == any(p.severity == "error" for p in reading.problems)


def test_the_names_of_the_examples_are_valid() -> None:
    for path in sorted((Path(__file__).parent.parent.parent / "examples").glob("*/reconciler.yaml")):
        assert one(path.read_text(encoding="utf-8"), path.name).problems == ()
