"""Which requests the lock keeps from a server, by what they name."""

from __future__ import annotations

import time
from typing import Any

import pytest

from reconciler.gate.principal import Refused
from reconciler.gate.withheld import check_lock, why_withheld
from reconciler.plan.lock import Withheld
from tests.requirements import requirement

pytestmark = requirement("GATE-3:enforced")
TEMPLATES = ("file:///{path}", "db://{host}/{+table}{?limit}", "exact:one")
WITHHELD = Withheld(
    None,
    {
        ("tool", "changed"): "it changed",
        ("prompt", "told"): "it changed",
        **{("resourceTemplate", template): f"no {template}" for template in TEMPLATES},
    },
    frozenset({("tool", "kept"), ("prompt", "kept"), ("resourceTemplate", "mem://{x}")}),
)


@pytest.mark.parametrize(
    ("method", "params", "why"),
    [
        ("tools/call", {"name": "kept"}, None),
        ("tools/call", {"name": "changed"}, "it changed"),
        ("tools/call", {"name": "unlisted"}, "the server does not list it"),
        ("tools/call", {"name": None}, "the server does not list it"),
        ("tools/call", {}, "the server does not list it"),
        ("prompts/get", {"name": "kept"}, None),
        ("prompts/get", {"name": "told"}, "it changed"),
        ("prompts/get", {"name": "changed"}, "the server does not list it"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "kept"}}, None),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "told"}}, "it changed"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}}, "the server does not list it"),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "file:///{path}"}}, "no file:///{path}"),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "mem://{x}"}}, None),
        ("completion/complete", {"ref": {"type": "ref/else"}}, "it refers to nothing that the lock has"),
        ("completion/complete", {"ref": "told"}, "it refers to nothing that the lock has"),
        ("completion/complete", {}, "it refers to nothing that the lock has"),
        ("resources/read", {"uri": "file:///etc/passwd"}, "no file:///{path}"),
        ("resources/subscribe", {"uri": "db://h/a/b?limit=1"}, "no db://{host}/{+table}{?limit}"),
        ("resources/read", {"uri": "exact:one"}, "no exact:one"),
        ("resources/read", {"uri": "exact:one2"}, None),
        ("resources/read", {"uri": "mem://a"}, None),
        ("resources/read", {"uri": "db:/h"}, None),
        ("resources/read", {"uri": 7}, None),
        ("resources/unsubscribe", {"uri": "file:///x"}, None),
        ("ping", {}, None),
    ],
)
def test_a_request_passes_only_when_what_it_names_is_accepted(
    method: str, params: dict[str, Any], why: str | None
) -> None:
    assert why_withheld(WITHHELD, method, params) == why
    assert why_withheld(Withheld(), method, params) is None


def test_a_server_that_is_withheld_is_reached_by_nothing() -> None:
    closed = Withheld("the lock is broken", {}, frozenset({("tool", "kept")}))
    for method in ("tools/call", "prompts/get", "resources/read", "resources/unsubscribe", "completion/complete"):
        with pytest.raises(Refused, match="the lock is broken") as refused:
            check_lock(closed, "s", method, {"name": "kept"})
        assert refused.value.code == "tool-locked"
    check_lock(WITHHELD, "s", "tools/call", {"name": "kept"})


def test_a_hostile_template_costs_no_time() -> None:
    template = "{a}a" * 5_000
    withheld = Withheld(None, {("resourceTemplate", template): "no"}, frozenset())
    begun = time.process_time()
    assert why_withheld(withheld, "resources/read", {"uri": "a" * 4_999}) is None
    assert why_withheld(withheld, "resources/read", {"uri": "a" * 5_000}) == "no"
    assert time.process_time() - begun < 5
