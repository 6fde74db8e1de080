"""The OpenAPI document is made of what stands beside the routes, is valid, and has a model for every answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.engine.host import Host
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.description import Says, Shown
from reconciler.faces.api.own.endpoint import application, root_routes, routes
from reconciler.faces.api.own.openapi import Undescribed, document
from reconciler.plan.schema import plan_schema
from tests.faces.cli.hosted import hosted
from tests.requirements import requirement

pytestmark = requirement("OPS-1:described")


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(routes(), root_routes())


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method != "servers"
    ]


def test_every_route_is_there_with_its_role(described: dict[str, Any]) -> None:
    roles = {(method.upper(), path): op.get("x-least-role") for method, path, op in operations(described)}
    below = {(method, f"/api/v1{route.path}"): route.least for route in routes() for method in route.methods or ()}
    beside = {(method, route.path): route.least for route in root_routes() for method in route.methods or ()}
    assert roles == {key: least for key, least in (below | beside).items() if key[0] != "HEAD"}
    for _, path, operation in operations(described):
        assert ("security" in operation) == (path in ("/openapi.json", "/readyz"))


def test_every_operation_has_a_name_of_its_own_a_summary_and_an_answer(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(names)) == len(names)
    for _, path, operation in operations(described):
        assert operation["summary"], path
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert len(good) == 1
        assert operation["responses"][good[0]]["content"], path
        assert not any(
            status.startswith("5") and status not in ("502", "503", "504") for status in operation["responses"]
        )


def test_every_reference_leads_somewhere_and_every_model_is_used(described: dict[str, Any]) -> None:
    text = json.dumps(described)
    named = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert named == set(described["components"]["schemas"])
    assert "__" not in "".join(named), "two models have the same name"
    assert "#/definitions" not in text
    assert "#/$defs" not in text


def test_every_schema_is_one(described: dict[str, Any]) -> None:
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for _, _, operation in operations(described):
        for parameter in operation["parameters"]:
            Draft202012Validator.check_schema(parameter["schema"])
            assert parameter["description"], parameter["name"]
            assert "null" not in json.dumps(parameter["schema"])


def test_every_member_that_may_be_asked_for_is_the_only_one(described: dict[str, Any]) -> None:
    bodies = {
        reference
        for _, _, operation in operations(described)
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for reference in content["schema"].values()
    }
    open_to_all = {
        name.rpartition("/")[2]
        for name in bodies
        if described["components"]["schemas"][name.rpartition("/")[2]]["additionalProperties"] is not False
    }
    assert open_to_all == {"MergePatch", "Incoming"}


def test_a_plan_is_described_as_it_is_published(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert set(schemas["PlanShown"]["properties"]) == set(plan_schema()["properties"])
    assert schemas["PlanShown"]["properties"]["actions"]["items"] == {"$ref": "#/components/schemas/PlanAction"}


def test_a_route_that_does_not_say_what_it_is_is_found() -> None:
    async def silent(_: Any) -> Any: ...

    with pytest.raises(Undescribed, match="/silent"):
        document([RoleRoute("/silent", silent, "viewer")])


def test_what_a_route_says_is_in_the_document() -> None:
    class Model(Shown):
        """A model."""

        word: str

    async def get_word(_: Any) -> Any: ...

    says = Says("A word.", Model, refusals={409: ("no-word",)}, more="More of it.", status=201)
    operation = document([RoleRoute("/word/{name}", get_word, "editor", "POST", says=says)])["paths"][
        "/api/v1/word/{name}"
    ]["post"]
    assert (operation["operationId"], operation["summary"]) == ("get_word", "A word")
    assert (operation["description"], operation["x-least-role"]) == ("More of it.", "editor")
    assert operation["responses"]["201"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Model"
    }
    assert operation["responses"]["409"]["x-codes"] == ["no-word"]
    assert [parameter["in"] for parameter in operation["parameters"]] == ["path"]


@pytest.mark.anyio
async def test_anybody_may_read_it_and_it_names_nothing_that_is_hosted(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"very-secret-server": {"command": "x", "enabled": False}}) as engine:
        answer = await engine.ask("GET", "/openapi.json")
        assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
        assert b"very-secret-server" not in answer.body
        assert b"desk" not in answer.body
        assert answer.json == application(Host()).state.describe()
