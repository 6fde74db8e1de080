"""A server asked directly and through the gateway, the same questions in the same order: what differs, in words.

Clients of both eras, at the server's own endpoint and at the one with all servers. Only names may differ there, and in
the stateless era the members that the protocol adds to every result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.real.raw import Raw

CALLS: Mapping[str, Mapping[str, Any]] = {
    "echo": {"message": "hällo \u2028 \U0001f600"},
    "get-annotated-message": {"messageType": "error", "includeImage": True},
    "get-env": {},
    "get-resource-links": {"count": 4},
    "get-resource-reference": {"resourceType": "Blob", "resourceId": 2},
    "get-structured-content": {"location": "Chicago"},
    "get-sum": {"a": 0.1, "b": 2},
    "get-tiny-image": {},
    "gzip-file-as-resource": {"name": "x.gz", "data": "data:text/plain,hello", "outputType": "resourceLink"},
    "toggle-simulated-logging": {},
    "toggle-subscriber-updates": {},
    "trigger-long-running-operation": {"duration": 0.1, "steps": 2},
    "trigger-elicitation-request": {},
    "trigger-url-elicitation": {"url": "https://x.example/", "elicitationId": "one"},
    "trigger-sampling-request": {"prompt": "hello"},
    "simulate-research-query": {"topic": "tea"},
}
"""Arguments for every tool of server-everything."""
WRONG: Mapping[str, Mapping[str, Any]] = {"echo": {}, "get-sum": {"a": "one", "b": 2}}
"""Arguments that the server refuses."""
PROMPTS: Mapping[str, Mapping[str, str]] = {
    "simple-prompt": {},
    "args-prompt": {"city": "Oslo", "state": "-"},
    "completable-prompt": {"department": "Sales", "name": "Ada"},
    "resource-prompt": {"resourceType": "Text", "resourceId": "3"},
}
READ = ("demo://resource/dynamic/text/7", "demo://resource/dynamic/blob/8")
"""Resources of templates; those that are listed are read too."""
COMPLETED: Mapping[str, Any] = {
    "prompt": ({"type": "ref/prompt", "name": "completable-prompt"}, {"name": "department", "value": "S"}),
    "template": (
        {"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"},
        {"name": "resourceId", "value": "1"},
    ),
}
LISTS = (
    ("tools/list", "tools"),
    ("prompts/list", "prompts"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resourceTemplates"),
)
_TIME = re.compile(r"\d{1,2}:\d{2}:\d{2}( [AP]M)?")


@dataclass(frozen=True, slots=True)
class Names:
    """How a client has to call what a server offers, and how what it is told reads in the server's own words."""

    tool: Callable[[str], str] = str
    uri: Callable[[str], str] = str
    mine: Callable[[str], bool] = lambda name: True

    def own(self, value: Any) -> Any:
        """A JSON value with the server's own names in it."""
        if isinstance(value, str):
            return value.removeprefix(self.uri("")) if value.startswith(self.uri("")) and self.uri("") else value
        if isinstance(value, list):
            return [self.own(item) for item in value]
        return {key: self.own(item) for key, item in value.items()} if isinstance(value, dict) else value

    def own_entry(self, entry: Mapping[str, Any]) -> Any:
        """A definition with the server's own name."""
        return self.own({**entry, "name": str(entry["name"]).removeprefix(self.tool(""))})


OWN = Names()


def aggregated(server: str) -> Names:
    """The names at the endpoint of all servers."""
    prefix = f"{server}__"
    return Names(
        lambda name: prefix + name,
        lambda uri: f"reconciler:{server}/{uri}",
        lambda name: name.startswith((prefix, f"reconciler:{server}/")),
    )


def differences(direct: Raw, through: Raw, names: Names) -> Iterator[str]:
    """What is not the same. Both are asked everything."""
    listed = {}
    for method, member in LISTS:
        here = _plain(direct.ask(method, {}))["result"][member]
        key = "name" if member in ("tools", "prompts") else "uri" if member == "resources" else "uriTemplate"
        there = _plain(through.ask(method, {}))["result"][member]
        there = [names.own_entry(entry) for entry in there if names.mine(str(entry[key]))]
        listed[member] = here
        yield from _differing(f"{method}: the order", _keys(here, key), _keys(there, key))
        for one, other in zip(here, there, strict=False):
            yield from _differing(f"{method} {one[key]}", one, other)
    for method, mine, theirs in _asked(listed, names):
        here, there = _plain(direct.ask(method, mine)), _plain(through.ask(method, theirs))
        yield from _differing(f"{method} {json.dumps(mine)}", here, names.own(there))


def _keys(entries: list[Mapping[str, Any]], key: str) -> list[Any]:
    return [entry[key] for entry in entries]


def _asked(listed: Mapping[str, Any], names: Names) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Method, params directly, params through the gateway."""
    tools = [tool["name"] for tool in listed["tools"]]
    assert set(tools) == set(CALLS), f"other tools than expected: {set(tools) ^ set(CALLS)}"
    for name in tools:
        for arguments in (CALLS[name], WRONG.get(name)):
            if arguments is not None:
                yield "tools/call", *_both({"arguments": arguments}, "name", name, names.tool)
    for name in ("toggle-simulated-logging", "toggle-subscriber-updates"):  # off again
        yield "tools/call", *_both({"arguments": {}}, "name", name, names.tool)
    assert [prompt["name"] for prompt in listed["prompts"]] == list(PROMPTS)
    for name, given in PROMPTS.items():
        yield "prompts/get", *_both({"arguments": given}, "name", name, names.tool)
    for uri in [*(resource["uri"] for resource in listed["resources"]), *READ]:
        yield "resources/read", *_both({}, "uri", uri, names.uri)
    for ref, argument in COMPLETED.values():
        key, word = ("name", names.tool) if "name" in ref else ("uri", names.uri)
        yield (
            "completion/complete",
            {"ref": ref, "argument": argument},
            {"ref": {**ref, key: word(ref[key])}, "argument": argument},
        )


def _both(
    rest: Mapping[str, Any], key: str, value: str, word: Callable[[str], str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return {key: value, **rest}, {key: word(value), **rest}


def _plain(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the stateless era adds to every result, and without times of the day."""
    result = outcome.get("result")
    if isinstance(result, dict):
        result = {key: value for key, value in result.items() if key not in ("resultType", "ttlMs", "cacheScope")}
        meta = {key: value for key, value in result.pop("_meta", {}).items() if not key.startswith("io.modelcontext")}
        outcome = {"result": {**result, "_meta": meta} if meta else result}
    plain: dict[str, Any] = json.loads(_TIME.sub("TIME", json.dumps(outcome)))
    return plain


def _differing(what: str, here: Any, there: Any) -> Iterator[str]:
    if _exact(here) != _exact(there):
        yield f"{what}: {json.dumps(here)[:600]} is {json.dumps(there)[:600]} through the gateway"


def _exact(value: Any) -> str:
    """JSON with members in order of their names, which is no difference; `1`, `1.0` and `true` are three things."""
    return json.dumps(value, sort_keys=True)
