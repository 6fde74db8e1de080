"""The session layer as a client under the official conformance suite: it does the same whatever the scenario.

A program: `python -m` this module with the server's URL. It lists everything, calls every tool that the session layer
offers, reads every resource and gets every prompt; a question is accepted with an empty form, and a person signs in
wherever it takes one. `MCP_CONFORMANCE_CONTEXT` may hold arguments for the tools, and credentials.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio

from reconciler.model.secret import SecretRef, parse_template
from reconciler.model.server import Remote, Server
from reconciler.sessions.door import open_remote
from reconciler.sessions.listing import Listing, list_all
from reconciler.sessions.rounds import in_rounds
from reconciler.sessions.session import Era, RpcError, Session, Unresolved
from reconciler.sessions.sign_in.credential import SignInNeeded
from reconciler.sessions.sign_in.sign_ins import SignIns
from tests.conformance.person import sign_in, sign_ins, written

SERVER = "judge"
PATIENCE = 10.0
SIGN_INS = 4
"""A person does not sign in again and again."""
_SAMPLES: Mapping[str, Any] = {
    "string": "text",
    "number": 5,
    "integer": 5,
    "boolean": True,
    "object": {},
    "array": [],
    "null": None,
}


class Person:
    """A Caller whose user accepts every form as it is."""

    key = "person"
    capabilities: Mapping[str, Any] = {"elicitation": {}}
    log_level = None

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if method == "elicitation/create":
            return {"action": "accept", "content": {}}
        raise RpcError({"code": -32601, "message": f"Method not found: {method}"})

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Nobody listens."""


class Use:
    """Everything that a server offers, once. A refused request is no reason to stop."""

    def __init__(self, session: Session, ours: SignIns) -> None:
        self._session = session
        self._ours = ours

    async def everything(self, found: Listing, given: Mapping[str, Any]) -> None:
        seen = {str(tool["name"]): tool["inputSchema"] for tool in found.tools}
        for name, schema in seen.items():
            params = {"name": name, "arguments": given.get(name, _arguments(schema, seen))}
            await self._try("tools/call", params)
        for resource in found.resources:
            await self._try("resources/read", {"uri": resource["uri"]})
        for prompt in found.prompts:
            await self._try("prompts/get", {"name": prompt["name"]})

    async def _try(self, method: str, params: Mapping[str, Any]) -> None:
        person = Person()

        async def send(params: Mapping[str, Any]) -> dict[str, Any]:
            return await self._session.request(method, params, timeout=PATIENCE, caller=person)

        with suppress(RpcError):
            try:
                await in_rounds(send, person.ask, params)
            except SignInNeeded:
                await sign_in(self._ours, SERVER)
                await in_rounds(send, person.ask, params)


def _arguments(schema: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the required arguments; one called `schema` is the schema of the first tool, as we got it."""
    properties = schema.get("properties", {})
    wanted = {name: properties.get(name, {}) for name in schema.get("required", ())}
    return {
        name: next(iter(seen.values())) if name == "schema" else _SAMPLES[kind.get("type", "string")]
        for name, kind in wanted.items()
    }


def _no_secrets(reference: SecretRef) -> str:
    raise Unresolved(f"{reference} is not here")


async def main(url: str, version: str, context: Mapping[str, Any]) -> None:
    oauth = await written(str(context.get("name", "")), url, context)
    server = Server(SERVER, SERVER, Remote("http", parse_template(url), oauth=oauth))
    given = {call["name"]: call["arguments"] for call in context.get("toolCalls", ())}
    era: Era | None = "handshake" if version < "2026" else None
    with sign_ins() as ours:
        try:
            for _ in range(SIGN_INS):
                with suppress(SignInNeeded):
                    await visit(server, era, given, ours)
                    return
                await sign_in(ours, SERVER)
        finally:
            await ours.close()


async def visit(server: Server, era: Era | None, given: Mapping[str, Any], ours: SignIns) -> None:
    """One session. Raises SessionError, SignInNeeded among them."""
    auth = ours.auth(server, _no_secrets)
    async with open_remote(server, _no_secrets, lambda method, params: None, era=era, auth=auth) as session:
        found = await list_all(session, timeout=PATIENCE)
        for name, reason in found.withheld:
            sys.stderr.write(f"withheld: {name}: {reason}\n")
        await Use(session, ours).everything(found, given)


if __name__ == "__main__":
    anyio.run(
        main,
        sys.argv[-1],
        os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"],
        {
            "name": os.environ.get("MCP_CONFORMANCE_SCENARIO", ""),
            **json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")),
        },
    )
