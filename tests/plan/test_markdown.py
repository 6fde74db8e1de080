"""A comment on a pull request: bounded, harmless, and it ends with what each person has to do."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.plan.actions import Check
from reconciler.plan.build import base_of
from reconciler.plan.render.after_merging import Duty, duties
from reconciler.plan.render.markdown import LIMIT, code, render_markdown
from tests.plan.scenes import document, plan_between
from tests.requirements import requirement

OAUTH = {"url": "https://o.example.com/mcp", "oauth": True}


@given(st.text(alphabet=st.sampled_from("`|\\ ab<\n\u202e@")))
def test_nothing_ends_a_code_span_but_its_own_fence(text: str) -> None:
    span = code(text)
    fence = re.match("`+", span)
    assert fence is not None
    inside = span[len(fence[0]) : -len(fence[0])]
    assert span == fence[0] + inside + fence[0]
    assert fence[0] not in re.findall("`+", inside)
    assert not inside.startswith("`") and not inside.endswith("`")
    assert "|" not in span and "\n" not in span and "\u202e" not in span


def test_a_very_long_text_is_cut() -> None:
    assert len(code("x" * 9_000)) < 2_100


def test_an_empty_plan_is_one_line() -> None:
    assert render_markdown(plan_between(document(), document())) == "No changes. 0 servers in sync (serial 41).\n"


@requirement("PLAN-3:json-markdown")
@pytest.mark.parametrize("count", [50, 300, 3000])
def test_a_comment_is_never_larger_than_it_may_be(count: int) -> None:
    before = document({f"server-{number}": {"command": "x", "args": ["y" * 50]} for number in range(count)})
    after = document({f"server-{number}": {"command": "ü" * 40, "env": [f"V{number}"]} for number in range(count)})
    text = render_markdown(plan_between(before, after))
    assert len(text.encode()) <= LIMIT
    assert ("more" in text) == (count > 50)
    assert text.count("<details>") == text.count("</details>") == (2 if count == 50 else 1)
    assert "#### After merging" in text


def test_hostile_names_do_not_make_it_larger_or_break_the_table() -> None:
    names = [f"{'|<b>`' * 400}{number}" for number in range(100)]
    text = render_markdown(plan_between(document(), document({name: {"command": "x"} for name in names})))
    assert len(text.encode()) <= LIMIT
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {5}


def test_no_state_blocked_and_checks_are_said() -> None:
    first = render_markdown(plan_between(Accepted(), document({"a": {"command": "a"}})))
    assert "No state yet" in first
    servers = {name: {"command": name} for name in "abc"}
    text = render_markdown(
        plan_between(document(servers), document(), checks=(Check("x", "warning", None, "look here"),))
    )
    assert "> **Blocked**: `3 of 3 servers would be deleted" in text
    assert "`reconciler apply --allow mass-delete`" in text
    assert "- warning: `look here`" in text


def needs(after: dict[str, Any], before: dict[str, Any] | None = None) -> list[Duty]:
    base = document() if before is None else document({"s": before})
    plan = plan_between(base_of(base), document({"s": after}), against="git:main")
    return [duty for duty in duties(plan) if duty.to_do != "say yes"]


@pytest.mark.parametrize(
    ("after", "before", "expected"),
    [
        (OAUTH, None, [Duty("sign in", "s")]),
        (OAUTH, {**OAUTH, "headers": {"X": "y"}}, []),
        (OAUTH, {**OAUTH, "url": "https://p.example.com"}, [Duty("sign in", "s")]),
        (OAUTH, {"url": OAUTH["url"]}, [Duty("sign in", "s")]),
        (OAUTH, {**OAUTH, "enabled": False}, [Duty("sign in", "s")]),
        ({**OAUTH, "enabled": False}, None, []),
        ({**OAUTH, "oauth": {"grant": "client_credentials"}}, None, []),
        ({**OAUTH, "oauth": {"clientId": "x"}}, None, [Duty("sign in", "s")]),
        ({"command": "x", "env": ["B", "A"]}, None, [Duty("set in the environment", "s", ("A", "B"))]),
        (
            {"command": "x", "env": ["B", "A"]},
            {"command": "x", "env": ["B"]},
            [Duty("set in the environment", "s", ("A",))],
        ),
        ({"command": "x", "env": {"A": "${secret:s}"}}, None, [Duty("put into the vault", "s", ("s",))]),
        ({"command": "x", "env": {"A": "${file:f}"}}, None, [Duty("have the file", "s", ("f",))]),
        ({"command": "x", "args": ["${workspaceFolder}/x"]}, None, []),
    ],
)
def test_what_a_person_has_to_do_follows_from_what_is_new(
    after: dict[str, Any], before: dict[str, Any] | None, expected: list[Duty]
) -> None:
    assert needs(after, before) == expected


def test_yeses_come_first_and_settings_count_too() -> None:
    plan = plan_between(document({"s": {"command": "a"}}), document({"s": {"command": "b"}}, lock="off"))
    assert duties(plan) == [
        Duty("say yes", "@project", ("loosens the lock",)),
        Duty("say yes", "s", ("new command", "loosens the lock")),
    ]
    text = render_markdown(plan)
    assert text.endswith("- say yes to `@project`: loosens the lock\n- say yes to `s`: new command, loosens the lock\n")


def test_the_duties_are_written_with_their_names_in_code() -> None:
    base = Document({"mcpServers": {}}, "demo")
    text = render_markdown(plan_between(base_of(base), document({"s": {**OAUTH, "headers": {"X": "${env:TOKEN}"}}})))
    assert "- sign in for `s`" in text
    assert "- set in the environment `TOKEN` for `s`" in text
