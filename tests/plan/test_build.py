"""Each difference becomes one action; marks, repairs and the guard as the design's table says."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.merge_patch import apply
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed, ObservedServer, Status
from reconciler.model.pins import Pins
from reconciler.plan.actions import PROJECT, Action, Plan, Reconnect, SessionDown, word
from reconciler.plan.build import base_of, make_plan
from reconciler.plan.document import plan_id
from tests.plan.scenes import NOW, accepted, document, keyed, only, plan_between
from tests.requirements import requirement

REMOTE = {"url": "https://a.example.com/mcp"}
STDIO = {"command": "a", "args": ["x"]}


def change(before: dict[str, Any], after: dict[str, Any], **more: Any) -> Action:
    return only(plan_between(document({"s": before}), document({"s": after}), **more))


def by_id(plan: Plan) -> dict[str, Action]:
    return {action.server: action for action in plan.actions}


@requirement("PLAN-1:merge-patch-and-actions", "PLAN-3:risk-and-marks")
@pytest.mark.parametrize(
    ("before", "after", "kind", "effects", "risk", "marks"),
    [
        (STDIO, {**STDIO, "name": "A"}, "update", ("display",), "safe", set()),
        (STDIO, {**STDIO, "requireApproval": False}, "update", ("policy",), "safe", {"loosen"}),
        (STDIO, {**STDIO, "args": ["y"]}, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (STDIO, {**STDIO, "cwd": "x"}, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (STDIO, {**STDIO, "env": ["A"]}, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (STDIO, REMOTE, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (REMOTE, {"url": "https://a.example.com/v2"}, "reconnect", ("reconnect",), "disruptive", set()),
        (REMOTE, {"url": "https://b.example.com/mcp"}, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (REMOTE, {**REMOTE, "headers": {"X": "literal"}}, "reconnect", ("reconnect",), "disruptive", set()),
        (REMOTE, {**REMOTE, "headers": {"X": "${env:X}"}}, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (REMOTE, {**REMOTE, "oauth": True}, "reconnect", ("reconnect",), "disruptive", set()),
        (REMOTE, {**REMOTE, "oauth": {"issuer": "https://i"}}, "reconnect", ("reconnect",), "disruptive", {"launch"}),
        (REMOTE, {**REMOTE, "mock": {}}, "reconnect", ("reconnect",), "disruptive", set()),
        (STDIO, {**STDIO, "enabled": False}, "disable", ("enable",), "safe", set()),
        ({**STDIO, "enabled": False}, STDIO, "enable", ("enable",), "disruptive", set()),
        (
            {**STDIO, "enabled": False},
            {**STDIO, "args": ["y"]},
            "enable",
            ("enable", "reconnect"),
            "disruptive",
            {"launch"},
        ),
        (STDIO, {**STDIO, "args": ["y"], "enabled": False}, "disable", ("enable", "reconnect"), "safe", set()),
        (STDIO, {**STDIO, "group": "g"}, "regroup", ("regroup",), "safe", set()),
        (STDIO, {**STDIO, "group": "g", "name": "A"}, "update", ("display", "regroup"), "safe", set()),
        (
            {**STDIO, "enabled": False},
            {**STDIO, "args": ["y"], "enabled": False},
            "update",
            ("reconnect",),
            "safe",
            set(),
        ),
        (
            {**STDIO, "enabled": False},
            {**STDIO, "enabled": False, "group": "g"},
            "regroup",
            ("regroup",),
            "safe",
            set(),
        ),
    ],
)
def test_a_changed_server_has_one_action_of_the_weightiest_kind(
    before: dict[str, Any], after: dict[str, Any], kind: str, effects: tuple[str, ...], risk: str, marks: set[str]
) -> None:
    action = change(before, after)
    assert (word(action), action.effects, action.risk, set(action.marks)) == (kind, effects, risk, marks)


@requirement("PLAN-3:risk-and-marks")
@pytest.mark.parametrize(
    ("server", "risk", "marks"),
    [
        (STDIO, "disruptive", {"launch"}),
        (REMOTE, "disruptive", {"launch"}),
        ({**STDIO, "enabled": False}, "safe", set()),
        ({"mock": {"tools": []}, **REMOTE}, "disruptive", set()),
        ({"type": "uplink"}, "disruptive", set()),
        ({**STDIO, "requireApproval": False}, "disruptive", {"launch", "loosen"}),
        ({**STDIO, "requireApproval": True, "denyTools": ["x"]}, "disruptive", {"launch"}),
        ({"type": "uplink", "group": "loose"}, "disruptive", {"loosen"}),
    ],
)
def test_a_new_server_is_a_create(server: dict[str, Any], risk: str, marks: set[str]) -> None:
    groups = {"loose": {"requireApproval": False}}
    action = only(plan_between(document(groups=groups), document({"s": server}, groups=groups)))
    assert (word(action), action.risk, set(action.marks)) == ("create", risk, marks)
    assert (action.expects, action.tightens) == (None, False)
    assert (action.launch is None) == (server.get("enabled") is False or "mock" in server or "type" in server)


@requirement("PLAN-3:risk-and-marks")
def test_a_launch_somebody_said_yes_to_is_not_asked_for_again() -> None:
    base, target = document({"s": STDIO}), document({"s": {**STDIO, "args": ["y"]}})
    asked = only(plan_between(base, target))
    assert asked.notes == ("new command",)
    assert asked.launch is not None
    known = accepted(base, yeses=frozenset({asked.launch}))
    answered = only(plan_between(known, target))
    assert (answered.marks, answered.launch, answered.notes) == (frozenset(), asked.launch, ())


def test_a_live_server_whose_yes_is_not_on_record_is_asked_for_only_when_its_launch_changes() -> None:
    base = accepted(document({"s": {**REMOTE, "name": "A"}}), yeses=frozenset())
    assert only(plan_between(base, document({"s": {"url": "https://a.example.com/v2"}}))).marks == frozenset()
    assert only(plan_between(base, document({"s": {"url": "https://b.example.com/"}}))).marks == {"launch"}


def test_enabling_a_server_nobody_said_yes_to_asks() -> None:
    base = accepted(document({"s": {**STDIO, "enabled": False}}), yeses=frozenset())
    action = only(plan_between(base, document({"s": STDIO})))
    assert (action.marks, action.notes) == ({"launch"}, ("new command",))


@pytest.mark.parametrize(
    ("before", "after", "notes"),
    [
        (
            {**STDIO, "env": {"A": "${env:A}"}},
            {**STDIO, "env": {"A": "${env:B}"}},
            ("new environment", "new reference"),
        ),
        ({**REMOTE, "headers": {"A": "${env:A}"}}, {**REMOTE, "headers": {}}, ("fewer references",)),
        ({**STDIO, "cwd": "x"}, STDIO, ("new directory",)),
        (STDIO, REMOTE, ("new address",)),
        ({**REMOTE, "mock": {}}, REMOTE, ("new address",)),
    ],
)
def test_what_is_new_about_a_launch_is_said_in_words(
    before: dict[str, Any], after: dict[str, Any], notes: tuple[str, ...]
) -> None:
    assert change(before, after).notes == notes


@requirement("PLAN-3:risk-and-marks")
def test_only_an_action_that_is_all_stricter_tightens() -> None:
    loose = {**STDIO, "requireApproval": False}
    assert change(loose, STDIO).tightens
    mixed = change(loose, {**STDIO, "lock": "off"})
    assert (mixed.tightens, mixed.marks) == (False, {"loosen"})
    assert not change(STDIO, {**STDIO, "name": "A"}).tightens


@requirement("PLAN-1:merge-patch-and-actions")
def test_everything_outside_the_servers_is_one_update_and_the_servers_it_changes_have_empty_patches() -> None:
    servers = {"a": STDIO, "b": {**STDIO, "requireApproval": True}, "c": {**STDIO, "group": "g"}}
    plan = plan_between(document(servers), document(servers, defaults={"requireApproval": "writes"}, envFile=".env"))
    actions = by_id(plan)
    assert list(actions) == [PROJECT, "a", "c"]
    assert actions[PROJECT].patch == {"defaults": {"requireApproval": "writes"}, "envFile": ".env"}
    assert [actions[name].patch for name in "ac"] == [{}, {}]
    assert all(action.marks == {"loosen"} for action in plan.actions)
    assert (actions["a"].with_settings, actions[PROJECT].with_settings) == (True, False)
    assert plan.unchanged == 1


def test_the_first_plan_finds_no_rules_that_could_be_loosened() -> None:
    loose = document({"s": {**STDIO, "requireApproval": False}}, defaults={"requireApproval": False})
    plan = plan_between(Accepted(), loose)
    assert {action.server: set(action.marks) for action in plan.actions} == {PROJECT: set(), "s": {"launch"}}
    assert not plan.has_state


def test_against_another_document_its_rules_and_launches_count() -> None:
    base = base_of(document({"s": STDIO}))
    plan = plan_between(base, document({"s": STDIO, "t": {**REMOTE, "requireApproval": False}}), against="git:main")
    assert only(plan).marks == {"launch", "loosen"}
    assert (plan.against, plan.lineage) == ("git:main", "")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"groups": {"g": {"enabled": False}}}, {PROJECT, "a"}),
        ({"groups": {"other": {"enabled": False}}}, {PROJECT}),
        ({"project": "else"}, {PROJECT}),
    ],
)
def test_only_servers_that_a_setting_reaches_are_acted_on(settings: dict[str, Any], expected: set[str]) -> None:
    servers = {"a": {**STDIO, "group": "g"}, "b": STDIO}
    assert set(by_id(plan_between(document(servers), document(servers, **settings)))) == expected


def test_a_group_that_is_no_longer_declared_reaches_its_servers() -> None:
    servers = {"a": {**STDIO, "group": "g"}, "b": STDIO}
    plan = plan_between(document(servers, groups={"g": {"enabled": False}}), document(servers))
    assert {name: word(action) for name, action in by_id(plan).items()} == {PROJECT: "update", "a": "enable"}


@pytest.mark.parametrize(
    ("own", "after", "expected"),
    [
        ({"env": ["A"]}, {"env": ["A"], "name": "x"}, True),
        ({"env": ["A"]}, {"args": ["y"]}, True),
        ({}, {"name": "x"}, False),
        ({"env": ["A"]}, None, True),
        ({}, None, False),
    ],
)
def test_an_action_says_whether_new_settings_would_change_its_server_even_as_it_is(
    own: dict[str, Any], after: dict[str, Any] | None, expected: bool
) -> None:
    servers = {"s": {"command": "a", **own}}
    new = {} if after is None else {"s": {"command": "a", **after}}
    plan = plan_between(document(servers), document(new, envFile=".env"))
    assert by_id(plan)["s"].with_settings is expected


def test_an_action_without_new_settings_is_not_with_settings() -> None:
    assert not change(STDIO, {**STDIO, "name": "x"}).with_settings


@requirement("PLAN-1:null-removes")
def test_a_removed_server_is_null_in_the_patch_and_its_action() -> None:
    plan = plan_between(document({"s": STDIO, "t": STDIO}), document({"t": STDIO}))
    action = only(plan)
    assert plan.patch == {"mcpServers": {"s": None}}
    assert (word(action), action.patch, action.risk) == ("delete", None, "destructive")
    assert action.expects is not None


def test_a_document_without_servers_deletes_them_one_by_one() -> None:
    base = document({"s": STDIO})
    plan = plan_between(base, Document(apply(base.written, {"mcpServers": None}), hide=keyed))
    assert (plan.patch, word(only(plan))) == ({"mcpServers": {"s": None}}, "delete")
    assert plan.reverse == {"mcpServers": {"s": STDIO}}


@requirement("PLAN-3:deletion-guard")
@pytest.mark.parametrize(
    ("existing", "gone", "named", "blocked"),
    [
        (9, 2, 0, False),
        (9, 3, 0, True),
        (10, 3, 0, False),
        (11, 4, 0, True),
        (9, 3, 1, False),
        (9, 9, 9, False),
        (2, 2, 0, True),
        (2, 2, 1, True),
        (1, 1, 0, False),
        (3, 2, 0, False),
    ],
)
def test_many_deletions_that_nobody_named_are_blocked(existing: int, gone: int, named: int, blocked: bool) -> None:
    servers = {f"s{number}": STDIO for number in range(existing)}
    left = {name: servers[name] for name in list(servers)[gone:]}
    ids = frozenset(list(servers)[:named])
    plan = plan_between(document(servers), document(left), named_deletions=ids)
    assert len(plan.actions) == gone
    assert [one.code for one in plan.blocked] == (["mass-delete"] if blocked else [])
    if blocked:
        assert set(plan.blocked[0].servers) == set(servers) - set(left) - ids
        assert "--allow mass-delete" in plan.blocked[0].way_out
        allowed = plan_between(document(servers), document(left), allow=frozenset({"mass-delete"}))
        assert allowed.blocked == ()


@requirement("PLAN-3:deletion-guard")
@pytest.mark.parametrize("remembered", [True, False])
def test_a_protected_server_is_not_deleted_whatever_is_allowed(remembered: bool) -> None:
    base = accepted(document({"s": STDIO if remembered else {**STDIO, "protect": True}, "t": STDIO}))
    base = replace(base, protected=frozenset({"s"} if remembered else ()))
    plan = plan_between(
        base, document({"t": STDIO}), allow=frozenset({"mass-delete"}), named_deletions=frozenset({"s"})
    )
    (blocked,) = plan.blocked
    assert (blocked.code, blocked.servers) == ("protected", ("s",))
    assert "protect: false" in blocked.way_out


def test_several_protected_servers_are_named_together() -> None:
    both = {"s": {**STDIO, "protect": True}, "t": {**STDIO, "protect": True}, "u": STDIO}
    (blocked,) = plan_between(document(both), document({"u": STDIO})).blocked
    assert blocked.message == "s, t are protected"
    assert blocked.way_out.startswith("put them back")


def seen(status: Status, **fields: Any) -> Observed:
    return Observed(True, {"s": ObservedServer("s", status, **fields)})


SINCE = NOW - timedelta(minutes=2)


@pytest.mark.parametrize(
    ("observed", "detail"),
    [
        (Observed(True, {}), SessionDown("no session")),
        (seen("error", down="process exited (code 1)", since=SINCE), SessionDown("process exited (code 1)", SINCE)),
        (seen("error"), SessionDown("session is in error")),
        (seen("disconnected"), SessionDown("session is disconnected")),
        (seen("connected", spec="sha256:else"), SessionDown("the session still has earlier settings")),
    ],
)
def test_a_session_that_is_down_is_repaired_though_the_file_is_the_same(
    observed: Observed, detail: SessionDown
) -> None:
    same = document({"s": STDIO})
    plan = plan_between(same, document({"s": STDIO}), observed=observed)
    launch = same.launch_digest("s")
    assert plan.actions == ()
    assert plan.drift == (Reconnect("s", (detail,), ("reconnect",), risk="disruptive", launch=launch),)
    assert (plan.unchanged, plan.empty) == (0, False)


def test_a_session_that_lives_starts_or_is_unknown_is_no_drift() -> None:
    same = document({"s": STDIO})
    fine = [Observed(), seen("connecting"), seen("connected"), seen("connected", spec=same.spec_digest("s"))]
    for observed in fine:
        assert plan_between(same, document({"s": STDIO}), observed=observed).empty


def test_where_nothing_is_to_be_repaired_a_session_that_is_down_stays_so() -> None:
    base, observed = document({"s": STDIO}), Observed(True, {})
    assert make_plan(accepted(base), base, observed, Pins(None), now=NOW).drift
    assert make_plan(accepted(base), base, observed, Pins(None), now=NOW, repairs=False).empty
    desired = document({"s": {**STDIO, "description": "changed"}})
    ids = {
        plan_id(make_plan(accepted(base), desired, each, Pins(None), now=NOW, repairs=False))
        for each in (Observed(), observed, seen("connecting"), seen("error"))
    }
    assert len(ids) == 1


def test_a_disabled_server_is_never_repaired() -> None:
    off = {**STDIO, "enabled": False}
    assert plan_between(document({"s": off}), document({"s": off}), observed=Observed(True, {})).empty
    assert word(change(off, {**off, "args": ["y"]}, observed=Observed(True, {}))) == "update"


def test_a_changed_server_whose_session_is_down_is_reconnected_by_its_one_action() -> None:
    action = change(STDIO, {**STDIO, "name": "A"}, observed=Observed(True, {}))
    assert (word(action), action.effects, action.marks) == ("reconnect", ("reconnect", "display"), set())
    assert action.because[-1] == SessionDown("no session")


@requirement("APPLY-1:only-what-changed")
def test_equal_documents_give_the_empty_plan() -> None:
    base = {"b": STDIO, "a": {**REMOTE, "metadata": {"level": 1}}}
    other = {"a": {"metadata": {"level": 1.0}, **REMOTE}, "b": {"args": ["x"], "command": "a"}}
    plan = plan_between(document(base), document(other))
    assert (plan.empty, plan.patch, plan.reverse, plan.unchanged) == (True, {}, {}, 2)


def test_a_plan_knows_its_base_and_its_time() -> None:
    base = accepted(document({"s": STDIO}))
    target = document({"s": STDIO}, project="acme")
    plan = make_plan(base, target, Observed(), Pins("sha256:lock"), now=NOW)
    assert (plan.project, plan.lineage, plan.serial) == ("acme", base.lineage, 41)
    assert (plan.base_digest, plan.target_digest) == (base.document.digest, target.digest)
    assert (plan.lock_digest, plan.created, plan.has_state) == ("sha256:lock", NOW, True)


SEED_PATCHES: list[dict[str, Any]] = [
    {
        "mcpServers": {
            "github": {
                "command": "bunx",
                "args": ["@modelcontextprotocol/server-github"],
                "name": "GitHub",
                "env": ["GITHUB_PERSONAL_ACCESS_TOKEN"],
                "enabled": True,
                "requireApproval": True,
            }
        }
    },
    {
        "mcpServers": {
            "remote-tools": {
                "url": "https://example.com/mcp",
                "name": "Remote Tools",
                "headers": {"Authorization": "Bearer sk-abc123"},
                "enabled": True,
                "requireApproval": True,
            }
        }
    },
    {
        "mcpServers": {
            "oauth-server": {
                "url": "https://example.com/mcp",
                "name": "OAuth Server",
                "oauth": True,
                "enabled": True,
                "requireApproval": True,
            }
        }
    },
    {"mcpServers": {"github": {"enabled": False}}},
    {"mcpServers": {"github": None}},
]


@requirement("PLAN-2:patch-is-a-patch-body", "PLAN-1:null-removes")
def test_the_seeds_five_patches_are_create_create_create_disable_delete() -> None:
    state, words = document(), []
    for patch in SEED_PATCHES:
        target = Document(apply(state.written, patch), "demo", keyed)
        plan = plan_between(state, target)
        words.append(word(only(plan)))
        hidden = {"headers": {"Authorization": "***"}} if "remote-tools" in patch["mcpServers"] else {}
        assert plan.patch == apply(patch, {"mcpServers": {"remote-tools": hidden}} if hidden else {})
        state = target
    assert words == ["create", "create", "create", "disable", "delete"]
