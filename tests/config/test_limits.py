"""The guards: at the limit a text is read, one over it is refused, and never slowly."""

import tracemalloc
from collections.abc import Callable

import pytest

from reconciler.config.builder import MAX_ALIAS_CHARACTERS, MAX_ALIAS_NODES, MAX_DEPTH, MAX_NODES
from reconciler.config.events import MAX_BYTES, parse_yaml
from reconciler.config.json_text import parse_json
from reconciler.config.read import Reading, Source, read
from reconciler.config.rules import MAX_SERVERS
from reconciler.config.tree import Node
from reconciler.problems import Problem

Parser = Callable[[str, str], tuple[Node | None, list[Problem]]]
PARSERS = pytest.mark.parametrize("parse", [parse_yaml, parse_json])


def codes(parse: Parser, text: str) -> list[str]:
    return [problem.code for problem in parse(text, "f")[1]]


def reading(text: str, name: str = "a.yaml") -> Reading:
    return read([Source(name, text)], default_project="p")


@PARSERS
def test_a_text_may_be_nested_32_deep(parse: Parser) -> None:
    assert codes(parse, "[" * MAX_DEPTH + "]" * MAX_DEPTH) == []
    assert codes(parse, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) == ["too-deep"]
    assert codes(parse, '{"a": ' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1)) == ["too-deep"]


def test_aliases_may_not_nest_deeper_than_a_text() -> None:
    def chain(links: int) -> str:
        return "a0: &a0 [[[[[[[[[[1]]]]]]]]]]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, links + 1))

    assert codes(parse_yaml, chain(MAX_DEPTH - 11)) == []
    assert codes(parse_yaml, chain(MAX_DEPTH - 10)) == ["too-deep"]


def test_siblings_of_an_anchor_do_not_count_as_its_depth() -> None:
    deep = "[" * 30 + "1" + "]" * 30
    assert codes(parse_yaml, f"- {deep}\n- &a [[1]]\n- {'[' * 28}*a{']' * 28}\n") == []
    assert codes(parse_yaml, f"- &b [&a [[1]], {deep[1:-1]}]\n- [*b]\n") == []
    assert codes(parse_yaml, f"- &b [&a [[1]], {deep}]\n- [*b]\n") == ["too-deep"]


@PARSERS
def test_a_text_may_hold_only_so_many_values(parse: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_NODES == 500_000
    for module in ("builder", "json_text"):  # counting up to the real limit takes seconds
        monkeypatch.setattr(f"reconciler.config.{module}.MAX_NODES", 1000)
    assert codes(parse, "[" + "1," * 998 + "1]") == []
    assert codes(parse, "[" + "1," * 999 + "1]") == ["too-many-values"]
    assert codes(parse, "[" + "[]," * 998 + "[]]") == []
    assert codes(parse, "[" + "[]," * 999 + "[]]") == ["too-many-values"]


def test_aliases_may_add_a_hundred_thousand_values() -> None:
    text = "a: &a [" + "1, " * 998 + "1]\nb: [" + "*a, " * 99 + "*a"
    assert MAX_ALIAS_NODES == 100 * 1000
    assert codes(parse_yaml, text + "]") == []
    assert codes(parse_yaml, text + ", *a]") == ["too-many-aliases"]
    assert codes(parse_yaml, "a: &a 1\nb: [" + "*a, " * MAX_ALIAS_NODES + "*a]") == ["too-many-aliases"]


def test_an_alias_bomb_is_refused_by_what_it_would_become() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)]
    assert codes(parse_yaml, "\n".join(lines)) == ["too-many-aliases"]


def test_aliases_may_add_four_million_characters() -> None:
    long = "x" * 65536
    text = f"a: &a {long}\nb: [" + "*a, " * (MAX_ALIAS_CHARACTERS // 65536 - 1) + "*a"
    assert codes(parse_yaml, text + "]") == []
    assert codes(parse_yaml, text + ", *a]") == ["too-many-aliases"]


def test_a_file_may_have_four_mebibytes_of_utf8() -> None:
    start = "mcpServers: {}\n# "
    assert reading(start + "x" * (MAX_BYTES - len(start))).written == {"mcpServers": {}}
    over = reading(start + "\u00e9" * (MAX_BYTES // 2))
    assert [(p.code, str(p.place)) for p in over.problems] == [("file-too-large", "a.yaml:1:1")]
    assert over.written is None
    assert reading("\ud800" * (MAX_BYTES // 3 + 1)).problems[0].code == "file-too-large"


def test_a_file_may_hold_ten_thousand_servers() -> None:
    lines = ["mcpServers:", *(f"  s{n}: {{command: a}}" for n in range(MAX_SERVERS))]
    assert reading("\n".join(lines)).problems == ()
    over = reading("\n".join([*lines, "  one-more: {}", "  two-more: {}"]))
    assert [(p.code, str(p.place)) for p in over.problems] == [("too-many-servers", f"a.yaml:{MAX_SERVERS + 2}:3")]


MANY = 1_000_000
HOSTILE = [
    *("[" * MANY, "{" * MANY, "{a: " * MANY, "- " * MANY, "? " * MANY, "&a " * MANY, "[1 " * MANY),
    *("1" * MANY, "a: " + "9" * MANY, "0." + "1" * MANY, "-" * MANY, "!" * MANY, "*" * MANY, " " * MANY + "x"),
    *('"' + "\\" * MANY, "'" * (MANY + 1), "/*" + "*" * MANY, "//" + "/" * MANY, '"\\u12' * MANY),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:4]!r}")
@PARSERS
def test_hostile_texts_end_in_problems_with_little_memory(parse: Parser, text: str) -> None:
    tracemalloc.start()
    try:
        found = parse(text, "f")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[1] or found[0] is not None
    assert peak < 100 * 1024 * 1024
    assert all(len(problem.detail) < 300 for problem in found[1])
