"""`reconciler schema`: what is published is what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from tests.faces.cli.desk import Desk
from tests.requirements import requirement

SCHEMAS = Path(__file__).parents[3] / "schemas"


@requirement("CFG-5:schema-published")
@pytest.mark.parametrize(
    ("arguments", "published"),
    [
        ([], "reconciler-1.schema.json"),
        (["config"], "reconciler-1.schema.json"),
        (["plan"], "plan-1.schema.json"),
    ],
)
def test_the_printed_schema_is_the_published_one(desk: Desk, arguments: list[str], published: str) -> None:
    done = desk.run("schema", *arguments)
    assert (done.exit, done.err) == (0, "")
    assert done.out == (SCHEMAS / published).read_text(encoding="utf-8")


def test_a_printed_plan_is_as_its_schema_says(desk: Desk) -> None:
    desk.write({"one": {"command": "x"}})
    schema = json.loads(desk.run("schema", "plan").out)
    Draft7Validator(schema).validate(desk.run("plan", "-o", "json").json)


def test_another_schema_is_wrong_usage(desk: Desk) -> None:
    assert desk.run("schema", "state").exit == 64
