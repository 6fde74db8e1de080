"""What every answer of a campaign is held to, beside what schemathesis checks by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import schemathesis
from jsonschema import Draft202012Validator

NDJSON = "application/x-ndjson"


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document without room for members that it does not name, where it does not give room itself.

    Readers must not mind further members, so what is published leaves them open; the engine must not add any unseen.
    """
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


class Checks:
    """The checks of one campaign, for answers to whoever has `token`."""

    def __init__(self, document: Mapping[str, Any], token: str | None) -> None:
        self._components = document["components"]
        self._token = token
        self._line = cache(self._validator)
        for check in (self.codes_are_described, self.lines_are_described, self.nothing_is_told):
            schemathesis.check(_named(check))

    def codes_are_described(self, _: Any, response: Any, case: Any) -> None:
        """A refusal names one of the codes that are written down for its status."""
        described = case.operation.definition.raw["responses"].get(str(response.status_code), {})
        if "x-codes" in described:
            code = response.json()["error"]["code"]
            assert code in described["x-codes"], f"{code} is no code of {response.status_code} here"

    def lines_are_described(self, _: Any, response: Any, case: Any) -> None:
        """Every line is as described, and an ending has a status and a code that it may have."""
        if not response.headers.get("content-type", [""])[0].startswith(NDJSON):
            return
        described = case.operation.definition.raw["responses"]["200"]["content"][NDJSON]
        validator = self._line(json.dumps(described["x-itemSchema"]))
        lines = [json.loads(line) for line in response.text.split("\n") if line]
        for line in lines:
            validator.validate(line)
        assert [line for line in lines if "progress" not in line] == lines[-1:], "the result comes last, and once"
        if "error" in lines[-1]:
            codes = described["x-endings"].get(str(lines[-1]["status"]), {"x-codes": []})
            code = lines[-1]["error"]["code"]
            assert code in codes.get("x-codes", [code]), f"{code} is no end with {lines[-1]['status']} here"

    def nothing_is_told(self, _: Any, response: Any, __: Any) -> None:
        """Whoever asks is not told their own token."""
        assert self._token is None or self._token not in response.text_lossy(), "the token is in the answer"

    def _validator(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({**json.loads(schema), "components": self._components})


def _named(method: Any) -> Any:
    """A function of its own: schemathesis keeps checks by name."""

    def check(ctx: Any, response: Any, case: Any) -> None:
        method(ctx, response, case)

    check.__name__ = method.__name__
    return check
