"""Every field that differs is a reason, with what it does and where the file says it."""

from typing import Any

import pytest

from reconciler.model.document import Document
from reconciler.plan.actions import FieldChanged, NotAccepted, NotInFile, ProjectChanged, Reason, SessionDown
from reconciler.plan.build import nowhere
from reconciler.plan.changes import Sides, effects_of, server_reasons, settings_reasons
from reconciler.plan.pointers import Path
from reconciler.problems import Place
from tests.plan.scenes import document, keyed
from tests.requirements import requirement

LITERAL = "correct-horse-battery"
SHOWN = keyed(LITERAL)


def reasons(before: Document, after: Document) -> tuple[Reason, ...]:
    return server_reasons(Sides(before, after, nowhere), "s")


def between(before: dict[str, Any], after: dict[str, Any]) -> tuple[Reason, ...]:
    return reasons(document({"s": before}), document({"s": after}))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"command": "a"}, {"command": "b"}, [("/command", "a", "b", "reconnect")]),
        ({"command": "a", "args": ["x"]}, {"command": "a", "args": ["y"]}, [("/args/0", "x", "y", "reconnect")]),
        ({"command": "a"}, {"command": "a", "enabled": False}, [("/enabled", True, False, "enable")]),
        ({"command": "a"}, {"command": "a", "disabled": True}, [("/enabled", True, False, "enable")]),
        ({"command": "a"}, {"command": "a", "name": "A"}, [("/name", "s", "A", "display")]),
        ({"command": "a"}, {"command": "a", "group": "g"}, [("/group", None, "g", "regroup")]),
        ({"command": "a"}, {"command": "a", "unknown": 1}, [("/unknown", None, 1, "display")]),
        (
            {"command": "a", "timeouts": {"call": "5s"}},
            {"command": "a", "timeouts": {"call": "9s"}},
            [("/timeouts/call", "5s", "9s", "policy")],
        ),
        (
            {"command": "a", "env": ["A", "B"]},
            {"command": "a", "env": {"A": "${env:A}"}},
            [("/env/A", {"forward": True}, "${env:A}", "reconnect"), ("/env/B", {"forward": True}, None, "reconnect")],
        ),
        (
            {"command": "a"},
            {"url": "https://a.example.com"},
            [
                ("/command", "a", None, "reconnect"),
                ("/url", None, "https://a.example.com", "reconnect"),
                ("/type", "stdio", "http", "reconnect"),
            ],
        ),
    ],
)
def test_each_field_is_a_reason_with_its_effect(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, Any, Any, Any]]
) -> None:
    assert list(between(before, after)) == [FieldChanged(*fields) for fields in expected]


@requirement("APPLY-1:only-what-changed")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"command": "a", "args": ["x"]}, {"args": ["x"], "command": "a"}),
        ({"command": "a", "metadata": {"level": 1}}, {"command": "a", "metadata": {"level": 1.0}}),
    ],
)
def test_what_is_equal_as_json_is_no_reason(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert between(before, after) == ()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"requireApproval": True}, FieldChanged("/requireApproval", None, True, "display")),
        ({"type": "stdio"}, {}, FieldChanged("/type", "stdio", None, "display")),
        ({"env": ["A", "B"]}, {"env": ["B", "A"]}, FieldChanged("/env", ["A", "B"], ["B", "A"], "display")),
        ({"disabled": False}, {}, FieldChanged("/disabled", False, None, "display")),
    ],
)
def test_what_is_written_otherwise_and_means_the_same_is_for_display(
    before: dict[str, Any], after: dict[str, Any], expected: FieldChanged
) -> None:
    assert between({"command": "a", **before}, {"command": "a", **after}) == (expected,)


@requirement("API-4:secrets-never-render")
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"env": {"T": LITERAL}}, {"env": {"T": "other"}}, ("/env/T", SHOWN, keyed("other"))),
        ({"env": {}}, {"env": {"T": LITERAL}}, ("/env/T", None, SHOWN)),
        ({"env": {"T": LITERAL}}, {"env": {"T": "${env:T}"}}, ("/env/T", SHOWN, "${env:T}")),
        ({"headers": {"X": LITERAL}}, {}, ("/headers/X", SHOWN, None)),
        (
            {"oauth": {"clientSecret": LITERAL}},
            {"oauth": {"clientSecret": "o"}},
            ("/oauth/clientSecret", SHOWN, keyed("o")),
        ),
    ],
)
def test_a_literal_in_a_secret_field_is_only_shown_as_its_fingerprint(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[str, Any, Any]
) -> None:
    (reason,) = between({"command": "a", **before}, {"command": "a", **after})
    assert reason == FieldChanged(*expected, "reconnect", sensitive=True)


def test_a_secret_that_is_written_otherwise_and_means_the_same_is_hidden_too() -> None:
    token = "ghp_1111aaaaBBBBccccDDDD1234"
    before = document({"s": {"command": "a", "env": [token, "B"]}})
    (reason,) = reasons(before, document({"s": {"command": "a", "env": ["B", token]}}))
    assert isinstance(reason, FieldChanged)
    assert reason.sensitive
    assert token not in repr(reason)


@pytest.mark.parametrize(
    ("before", "after", "cause", "field", "values", "effect"),
    [
        (
            {},
            {"defaults": {"requireApproval": False}},
            "/defaults/requireApproval",
            "/requireApproval",
            (True, False),
            "policy",
        ),
        (
            {"groups": {"g": {}}},
            {"groups": {"g": {"requireApproval": "writes"}}},
            "/groups/g/requireApproval",
            "/requireApproval",
            (True, "writes"),
            "policy",
        ),
        (
            {"groups": {"g": {}}},
            {"groups": {"g": {"enabled": False}}},
            "/groups/g/enabled",
            "/enabled",
            (True, False),
            "enable",
        ),
        ({}, {"lock": "enforce"}, "/lock", "/lock", ("warn", "enforce"), "policy"),
        ({}, {"timeouts": {"call": "9s"}}, "/timeouts/call", "/timeouts/call", ("60s", "9s"), "policy"),
        (
            {"timeouts": {"call": "9s"}},
            {"timeouts": {"call": "9s"}, "defaults": {"timeouts": {"call": "2s"}}},
            "/defaults/timeouts/call",
            "/timeouts/call",
            ("9s", "2s"),
            "policy",
        ),
        ({}, {"envFile": ".env"}, "/envFile", "/envFile", (None, ".env"), "reconnect"),
    ],
)
def test_a_setting_outside_the_server_is_named_as_the_cause(
    before: dict[str, Any], after: dict[str, Any], cause: str, field: str, values: tuple[Any, Any], effect: Any
) -> None:
    servers = {"s": {"command": "a", "group": "g", "env": ["A"]}}
    found = reasons(document(servers, **before), document(servers, **after))
    assert found == (ProjectChanged(cause, field, *values, effect),)


def test_own_and_outside_causes_of_one_field_are_told_apart() -> None:
    before = document({"s": {"command": "a", "timeouts": {"call": "1s"}}})
    after = document({"s": {"command": "a", "timeouts": {"call": "2s"}}}, timeouts={"start": "3s"})
    assert reasons(before, after) == (
        ProjectChanged("/timeouts/start", "/timeouts/start", "30s", "3s", "policy"),
        FieldChanged("/timeouts/call", "1s", "2s", "policy"),
    )


def test_what_follows_from_another_group_is_the_servers_own_doing() -> None:
    groups = {"off": {"enabled": False, "requireApproval": False}}
    before = document({"s": {"command": "a"}}, groups=groups)
    after = document({"s": {"command": "a", "group": "off"}}, groups=groups)
    assert reasons(before, after) == (
        FieldChanged("/enabled", True, False, "enable"),
        FieldChanged("/requireApproval", True, False, "policy"),
        FieldChanged("/group", None, "off", "regroup"),
    )


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        ({"envFile": "x"}, "reconnect"),
        ({"groups": {"g": {"enabled": False}}}, "enable"),
        ({"groups": {"g": {"requireApproval": True}}}, "policy"),
        ({"groups": {"g": {"color": "#ffffff"}}}, "display"),
        ({"defaults": {"requireApproval": True}}, "policy"),
        ({"approvals": {"keep": "1h"}}, "policy"),
        ({"project": "other"}, "display"),
    ],
)
def test_a_setting_has_the_effect_it_has_on_servers(path: dict[str, Any], effect: str) -> None:
    (reason,) = settings_reasons(Sides(document(), document(**path), nowhere))
    assert isinstance(reason, FieldChanged)
    assert reason.effect == effect


def test_a_secret_in_the_settings_is_hidden() -> None:
    token = "ghp_1111aaaaBBBBccccDDDD1234"
    sides = Sides(document(), document(groups={"g": {"description": token}}), nowhere)
    (reason,) = settings_reasons(sides)
    assert reason == FieldChanged("/groups/g/description", None, keyed(token), "display", sensitive=True)


def test_effects_are_listed_once_and_the_weightiest_first() -> None:
    mixed = (
        FieldChanged("/group", "a", "b", "regroup"),
        FieldChanged("/name", "a", "b", "display"),
        ProjectChanged("/lock", "/lock", "warn", "off", "policy"),
        SessionDown("gone"),
        NotAccepted(),
        NotInFile(),
        FieldChanged("/enabled", False, True, "enable"),
        FieldChanged("/env/A", "a", "b", "reconnect"),
    )
    assert effects_of(mixed) == ("enable", "reconnect", "policy", "display", "regroup")


class Places:
    """Knows only some paths, as a file does."""

    def __init__(self, *known: Path) -> None:
        self.known = known

    def __call__(self, path: Path) -> Place | None:
        return Place("f", self.known.index(path) + 1, 1) if path in self.known else None


@pytest.mark.parametrize(
    ("path", "written", "line"),
    [
        (("mcpServers", "s", "args", 1), {}, 2),
        (("mcpServers", "s", "enabled"), {"disabled": True}, 3),
        (("mcpServers", "s", "enabled"), {"enabled": False}, 1),
        (("mcpServers", "s", "env", "B"), {"env": ["A", "B"]}, 4),
        (("mcpServers", "s", "env", "C"), {"env": ["A", "B"]}, 1),
        (("mcpServers", "gone", "env"), {}, None),
        (("lock",), {}, None),
    ],
)
def test_a_place_is_that_of_the_nearest_thing_the_file_says(
    path: Path, written: dict[str, Any], line: int | None
) -> None:
    server: Path = ("mcpServers", "s")
    known = Places(server, (*server, "args"), (*server, "disabled"), (*server, "env", 1))
    place = Sides(document(), document({"s": written}), known).place_near(path)
    assert place == (Place("f", line, 1) if line else None)
