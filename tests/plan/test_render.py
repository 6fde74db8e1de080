"""What people read: short, aligned, harmless, and the same from the same actions."""

import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.accepted import Accepted
from reconciler.model.observed import Observed, ObservedServer
from reconciler.model.pins import Pins
from reconciler.plan.actions import Check, NotAccepted, Source
from reconciler.plan.document import to_document
from reconciler.plan.render.lines import Row, Span, text_of, with_places
from reconciler.plan.render.markdown import LIMIT as MOST_BYTES
from reconciler.plan.render.markdown import render_markdown
from reconciler.plan.render.text import plan_lines, render_text
from reconciler.plan.render.values import LIMIT, label, shown, visible
from reconciler.plan.render.words import Speaker, Words, ago, files_text
from reconciler.problems import Place, Problem
from tests.definitions import lock_of, pins_of
from tests.plan.scenes import NOW, accepted, document, plan_between
from tests.requirements import requirement

SERVERS = {"a": {"command": "a"}, "b": {"url": "https://b.example.com/mcp"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, with ünïcode 漢字 ✓", "plain, with ünïcode 漢字 ✓"),
        ("\x1b[2J\x07\x7f\x9b", "\\u001b[2J\\u0007\\u007f\\u009b"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202eab\u2066", "\\u202eab\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\u00a0\u3000\u2028", "\\u00a0\\u3000\\u2028"),
        ("\u3164\u115f\u2800\ufe0f", "\\u3164\\u115f\\u2800\\ufe0f"),
        ("\U000e0041\U000e0101", "\\udb40\\udc41\\udb40\\udd01"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text())
def test_no_text_leaves_anything_unseen_and_ascii_means_ascii(text: str) -> None:
    harmless = visible(text)
    assert not [char for char in harmless if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert visible(text, ascii_only=True).isascii()
    assert visible(harmless) == harmless


@given(st.text(), st.booleans())
def test_a_shown_value_is_never_longer_than_the_limit_unless_whole(text: str, ascii_only: bool) -> None:
    assert len(shown(text, ascii_only=ascii_only)) <= LIMIT
    assert len(shown(text, ascii_only=ascii_only, whole=True)) >= len(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", '"x"'),
        ('say "x"', '"say \\"x\\""'),
        (True, "true"),
        (1, "1"),
        (["a", {"b": None}], '["a", {"b": null}]'),
        ({"forward": True}, "(forwarded)"),
        ("a" * 29 + "b" * 29, '"' + "a" * 29 + "b" * 29 + '"'),
        ("a" * 40 + "b" * 40, '"' + "a" * 28 + "…" + "b" * 28 + '"'),
        ("\u202e" * 20, '"' + "\\u202e" * 4 + "…" + "\\u202e" * 4 + '"'),
    ],
)
def test_a_value_is_shown_as_short_json(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_ascii_only_shortens_with_dots() -> None:
    assert "..." in shown("a" * 99, ascii_only=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/args/1", "args[1]"),
        ("/env/A~1B", "env.A/B"),
        ("/tools/create_*/requireApproval", "tools.create_*.requireApproval"),
        ("/metadata/\u202e", "metadata.\\u202e"),
        ("/metadata/" + "k" * 99, "metadata." + "k" * 20 + "…" + "k" * 29),
    ],
)
def test_a_pointer_is_labelled_as_people_write_it(path: str, expected: str) -> None:
    assert label(path) == expected


def test_places_stand_in_one_column_and_long_rows_have_their_own() -> None:
    rows = [
        Row((Span("short"),), "f:1:1"),
        Row((Span("a longer one"),), "f:2:1"),
        Row((Span("without a place  "),)),
        Row((Span("x" * 80),), "f:3:1"),
    ]
    assert text_of(with_places(rows)).splitlines() == [
        "short           f:1:1",
        "a longer one    f:2:1",
        "without a place",
        "x" * 80 + "  f:3:1",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 s ago"), (59, "59 s ago"), (60, "1 m ago"), (7199, "1 h ago"), (86400, "1 d ago"), (200_000, "2 d ago")],
)
def test_how_long_ago_is_said_in_one_unit(seconds: int, expected: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == expected


@requirement("PLAN-3:json-markdown")
def test_a_plan_that_changes_nothing_is_one_line() -> None:
    def line(servers: dict[str, Any], base: Accepted, **more: Any) -> str:
        return render_text(plan_between(base, document(servers), **more))

    two, one = accepted(document(SERVERS)), accepted(document({"a": SERVERS["a"]}), serial=7)
    assert line(SERVERS, two) == "No changes. 2 servers in sync (serial 41).\n"
    assert line({"a": SERVERS["a"]}, one) == "No changes. 1 server in sync (serial 7).\n"
    assert line(SERVERS, two, against="git:main") == "No changes. 2 servers in sync (against git:main).\n"
    nothing = plan_between(Accepted(), Accepted().document)
    assert render_text(nothing) == "No changes. 0 servers in sync (no state yet).\n"


def test_without_state_the_first_line_says_so() -> None:
    first = render_text(plan_between(Accepted(), document(SERVERS))).splitlines()[0]
    assert first == "No state yet: nothing was applied here before, so all of the file is new."


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), ""), (("r.yaml",), "r.yaml"), (("r.yaml", "l"), "r.yaml (+1 overlay)"), (tuple("rst"), "r (+2 overlays)")],
)
def test_the_title_names_the_file_and_counts_overlays(names: tuple[str, ...], expected: str) -> None:
    source = Source(tuple((name, "0" * 64) for name in names))
    assert files_text(plan_between(document(SERVERS), document(), source=source)) == expected


def test_ascii_only_holds_for_every_sign_and_text() -> None:
    target = document(
        {"a": {"command": "ä"}, "b": {**SERVERS["b"], "group": "g", "enabled": False}, "c": {"url": "x://c"}}
    )
    observed = Observed(True, {"a": ObservedServer("a", "connected"), "b": ObservedServer("b", "connected")})
    check = Check("note", "warning", "a", "été", Place("ü.yaml", 1, 1))
    plan = plan_between(document(SERVERS), target, observed=observed, checks=(check,), against="git:größe")
    assert render_text(plan, ascii_only=True).isascii()
    assert not render_text(plan).isascii()


def test_checks_are_notes_with_their_places() -> None:
    checks = (Check("x", "warning", "a", "says this", Place("r.yaml", 3, 5)), Check("y", "warning", None, "and that"))
    text = render_text(plan_between(document(SERVERS), document(), checks=checks, named_deletions=frozenset(SERVERS)))
    assert "  Notes\n  ! a: says this [x]    r.yaml:3:5\n  ! and that [y]\n" in text


@requirement("GATE-3:stale")
def test_very_many_changes_of_the_lock_are_counted_in_text_and_whole_in_json() -> None:
    tools = [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(400)]
    before, after = lock_of(a=pins_of(tools)), lock_of(a=pins_of([{**tool, "title": "x"} for tool in tools]))
    plan = plan_between(document(SERVERS), document(SERVERS), base_pins=before, pins=after, against="git:main")
    text = render_text(plan)
    assert "and 401 more lines: -o json has all" in text
    assert len(to_document(plan)["lockChanges"]) == 400
    assert len(render_markdown(plan).encode()) <= MOST_BYTES
    broken = Pins("sha256:x", {}, (Problem("error", "x", "x", "x"),))
    assert plan_between(document(SERVERS), document(SERVERS), base_pins=broken, pins=after).lock_changes == ()


@requirement("PLAN-3:risk-and-marks")
def test_what_is_asked_for_is_shown_whole_and_the_rest_is_shortened() -> None:
    long = "echo " + "x" * 90
    before = document({"a": {"command": "a", "args": ["-c", "true"]}, "b": SERVERS["b"]})
    after = document({"a": {"command": "a", "args": ["-c", long]}, "b": {**SERVERS["b"], "description": long}})
    plan = plan_between(before, after)
    assert render_text(plan).count(long) == 1
    asked = plan.actions[0].launch
    assert asked is not None
    answered = plan_between(accepted(before, yeses=frozenset({asked})), after)
    assert long not in render_text(answered)


def test_every_span_of_an_action_has_a_role_a_face_can_paint() -> None:
    plan = plan_between(document(SERVERS), document({"a": {"command": "other"}}))
    roles = {span.role for line in plan_lines(plan) for span in line}
    assert {"heading", "change", "remove", "launch", "muted"} <= roles


def test_a_disabled_new_server_says_so() -> None:
    servers = {
        "off": {"command": "o", "enabled": False},
        "was": {"command": "w", "disabled": True},
        "fake": {"url": "x://y", "mock": {"scenario": "empty inbox"}},
        "mute": {"url": "x://y", "mock": {"tools": []}},
        "kept": {"command": "k", "env": {"A": "${env:A}", "B": "literal"}, "tools": {"x": {"requireApproval": True}}},
    }
    text = render_text(plan_between(document(), document(servers)))
    assert text.count("enabled  false") == 2
    assert 'mock  "empty inbox"' in text
    assert "mock  true" in text
    assert '"A=${env:A}" "B=***"' in text


def test_a_reason_can_be_said_alone() -> None:
    assert Speaker(NOW).reason(NotAccepted(Place("f", 1, 1))) == Words("", "new", Place("f", 1, 1))
