"""What holds for every plan, on generated configurations with marked secrets."""

import json
from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from reconciler.merge_patch import apply, equal
from reconciler.model.document import Document, hidden, masked_document
from reconciler.model.observed import Observed
from reconciler.plan.actions import PROJECT, Create, Disable, Enable, Plan, Reconnect
from reconciler.plan.document import patch_json, to_document, to_json
from reconciler.plan.render.lines import text_of
from reconciler.plan.render.markdown import LIMIT, render_markdown
from reconciler.plan.render.text import action_lines, render_text
from reconciler.plan.saved import SavedPlan, read_saved, target_of
from reconciler.plan.schema import plan_schema
from tests.canary import encodings_in
from tests.plan.generated import documents, edits
from tests.plan.scenes import accepted, plan_between
from tests.requirements import requirement

MANY = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALIDATOR = Draft7Validator(plan_schema())


def everything_printed(plan: Plan) -> list[str]:
    return [
        render_text(plan),
        render_text(plan, ascii_only=True),
        render_markdown(plan),
        to_json(plan),
        patch_json(plan),
        *(text_of(action_lines(plan, action)) for action in plan.actions),
    ]


@requirement("PLAN-2:patch-is-a-patch-body", "PLAN-3:saved-plan-stale")
@MANY
@given(edits())
def test_the_plan_after_an_apply_is_empty(edit: tuple[Document, Document]) -> None:
    before, after = edit
    base = accepted(before)
    saved = read_saved(to_json(plan_between(base, after)))
    assert isinstance(saved, SavedPlan)
    target = target_of(saved, base, after)
    assert isinstance(target, Document)
    assert equal(target.written, after.written)
    again = plan_between(replace(base, document=target), after, observed=Observed())
    assert again.empty
    assert again.patch == again.reverse == {}


@requirement("PLAN-2:patch-is-a-patch-body", "PLAN-1:merge-patch-and-actions")
@MANY
@given(edits())
def test_the_patch_leads_there_and_the_reverse_back(edit: tuple[Document, Document]) -> None:
    before, after = (masked_document(document.written, hidden) for document in edit)
    plan = plan_between(*edit)
    assert equal(apply(before, plan.patch), after)
    assert equal(apply(after, plan.reverse), before)


@requirement("PLAN-1:merge-patch-and-actions", "APPLY-1:only-what-changed")
@MANY
@given(edits())
def test_the_actions_patches_are_the_whole_patch_and_name_only_known_servers(edit: tuple[Document, Document]) -> None:
    before, after = edit
    plan = plan_between(before, after)
    own = {action.server: action.patch for action in plan.actions}
    settings_patch = own.pop(PROJECT, {})
    servers = {name: patch for name, patch in own.items() if patch != {}}
    assert plan.patch == {**settings_patch, **({"mcpServers": servers} if servers else {})}
    assert own.keys() <= before.servers.keys() | after.servers.keys()
    assert len(own) == sum(action.server != PROJECT for action in plan.actions)
    assert [action.server for action in plan.actions if action.server != PROJECT] == sorted(own)
    assert plan.unchanged == len(after.servers) - len(own.keys() & after.servers.keys())


@requirement("PLAN-3:json-markdown")
@SOME
@given(edits())
def test_a_plan_printed_twice_is_the_same_and_valid(edit: tuple[Document, Document]) -> None:
    assert everything_printed(plan_between(*edit)) == everything_printed(plan_between(*edit))
    plan = plan_between(*edit)
    assert not list(VALIDATOR.iter_errors(to_document(plan)))
    assert to_document(plan) == json.loads(to_json(plan))
    assert len(render_markdown(plan).encode()) <= LIMIT


@requirement("API-4:secrets-never-render")
@MANY
@given(edits(), st.booleans())
def test_no_secret_is_ever_printed(edit: tuple[Document, Document], with_key: bool) -> None:
    hide = edit[0].hide if with_key else hidden
    before, after = (replace(document, hide=hide) for document in edit)
    for printed in everything_printed(plan_between(before, after)):
        assert encodings_in(printed) == []


@requirement("PLAN-3:risk-and-marks")
@MANY
@given(edits(), st.booleans())
def test_a_disabled_server_never_gets_a_session(edit: tuple[Document, Document], engine: bool) -> None:
    before, after = edit
    plan = plan_between(before, after, observed=Observed(engine, {}))
    for action in (*plan.actions, *plan.drift):
        opens = isinstance(action, Reconnect | Enable) or (isinstance(action, Create) and action.effects == ("enable",))
        assert not opens or after.facts(action.server)["enabled"]
        assert not isinstance(action, Disable) or not after.facts(action.server)["enabled"]
        assert "launch" not in action.marks or (opens and action.launch is not None)


@requirement("PLAN-3:risk-and-marks")
@MANY
@given(edits())
def test_no_session_is_opened_with_a_launch_that_nobody_was_asked_for(edit: tuple[Document, Document]) -> None:
    before, after = edit
    base = accepted(before)
    asked = {action.server for action in plan_between(base, after).actions if "launch" in action.marks}
    for name in after.servers:
        launch = after.launch_digest(name) if after.facts(name)["enabled"] else None
        assert launch is None or launch in base.yeses or name in asked


@requirement("APPLY-1:only-what-changed")
@SOME
@given(documents())
def test_a_document_said_in_another_order_changes_nothing(document: Document) -> None:
    turned = json.loads(json.dumps(document.written, sort_keys=True), object_pairs_hook=lambda pairs: dict(pairs[::-1]))
    assert plan_between(document, replace(document, written=turned)).empty


@SOME
@given(edits())
def test_servers_whose_effective_fields_and_text_are_equal_are_left_alone(edit: tuple[Document, Document]) -> None:
    before, after = edit
    acted_on = {action.server for action in plan_between(before, after).actions}
    for name in before.servers.keys() & after.servers.keys():
        same = equal(before.facts(name), after.facts(name)) and equal(before.servers[name], after.servers[name])
        assert same == (name not in acted_on)


@SOME
@given(documents())
def test_adding_everything_and_removing_everything_are_each_others_reverse(document: Document) -> None:
    assume(document.servers)
    empty = Document({"mcpServers": {}}, "demo", document.hide)
    there, back = plan_between(empty, document), plan_between(document, empty)
    assert there.patch == back.reverse
    assert there.reverse == back.patch
