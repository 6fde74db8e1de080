"""Everything that one endpoint shows: immutable, and made anew only after the offers of its project changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from reconciler import __version__
from reconciler.engine.offers import Offer
from reconciler.faces.gateway.declared import capabilities_of, instructions_of, own_capabilities
from reconciler.faces.gateway.definitions import Definitions, array, digest_of_texts, joined
from reconciler.faces.gateway.messages import encode
from reconciler.faces.gateway.named import Together
from reconciler.faces.gateway.names import original_uri
from reconciler.faces.gateway.protocol import SERVER_INFO_KEY
from reconciler.faces.gateway.scope import Scope, Target
from reconciler.faces.gateway.share import KINDS, Kind, Share
from reconciler.gate.showing import RESULT_TOOL, RESULT_TOOL_NAME


class Surface:
    """The lists of a scope under visible names, and the way from each visible name back to its server.

    Order: by server id, then as the server lists. `asks` adds the tool that collects the result of an approved call.
    """

    def __init__(self, scope: Scope, offers: Sequence[Offer], shares: Sequence[Share], *, asks: bool) -> None:
        self._single = scope.server
        self._title = scope.project.ledger.document.project
        self._offers = tuple(offers)
        self._shares = tuple(shares)
        self._servers = frozenset(share.server_id for share in shares)
        self._own: Definitions = (RESULT_TOOL,) if asks else ()
        self._tools = Together([share.tools for share in shares])
        self._prompts = Together([share.prompts for share in shares])

    @cached_property
    def tools(self) -> Definitions:
        """Raw definitions; only `name` is another."""
        return (*self._tools.shown, *self._own)

    @property
    def prompts(self) -> Definitions:
        """Raw definitions; only `name` is another."""
        return self._prompts.shown

    @cached_property
    def resources(self) -> Definitions:
        """Raw definitions; only `uri` is another."""
        return tuple(chain.from_iterable(share.resources for share in self._shares))

    @cached_property
    def resource_templates(self) -> Definitions:
        """Raw definitions; only `uriTemplate` is another."""
        return tuple(chain.from_iterable(share.resource_templates for share in self._shares))

    def has(self, server_id: str) -> bool:
        """Whether a server is part of it."""
        return server_id in self._servers

    def tool(self, visible: str) -> Target | None:
        """Whose tool that is; None for one that is not listed, and for our own."""
        return self._tools.targets.get(visible)

    def prompt(self, visible: str) -> Target | None:
        """Whose prompt that is; None for one that is not listed."""
        return self._prompts.targets.get(visible)

    def resource(self, visible: str) -> Target | None:
        """Whose resource that is, listed or not: servers link to resources that no list has."""
        if self._single is not None:
            return Target(self._single, visible)
        found = original_uri(visible)
        return Target(*found) if found is not None and found[0] in self._servers else None

    def completion(self, ref: Mapping[str, Any]) -> tuple[Target, Mapping[str, Any]] | None:
        """Who completes for a `ref/prompt` or `ref/resource`, and the reference in that server's own words."""
        match ref:
            case {"type": "ref/prompt", "name": str(name)}:
                target, member = self.prompt(name), "name"
            case {"type": "ref/resource", "uri": str(uri)}:
                target, member = self.resource(uri), "uri"
            case _:
                return None
        return (target, {**ref, member: target.name}) if target else None

    @cached_property
    def capabilities(self) -> Mapping[str, Any]:
        """What a client may expect. Of one server: what it declared; of several: whatever one of them has."""
        handshakes = [offer.handshake for offer in self._offers]
        return capabilities_of(handshakes) if self._single is None else own_capabilities(handshakes[0])

    @cached_property
    def instructions(self) -> str | None:
        """Of one server: its own; of several: each one's under its name, within bounds."""
        if self._single is None:
            return instructions_of(self._offers)
        handshake = self._offers[0].handshake
        return handshake.instructions if handshake else None

    @cached_property
    def server_info(self) -> Mapping[str, Any]:
        """Of one server: its own, once it is known; else ours."""
        handshake = None if self._single is None else self._offers[0].handshake
        if handshake is not None and handshake.server_info is not None:
            return handshake.server_info
        return {"name": "mcp-reconciler", "version": __version__, "title": self._title}

    @cached_property
    def ending(self) -> bytes:
        """What the stateless era wants in a result, to be put at its end."""
        ending = {"resultType": "complete", "_meta": {SERVER_INFO_KEY: dict(self.server_info)}}
        return b"," + encode(ending)[1:]

    @cached_property
    def fingerprints(self) -> Mapping[Kind, str]:
        """Changes exactly when what a client sees changes; an order is nothing that a client sees."""
        digests = {kind: [share.digests[kind] for share in self._shares] for kind in KINDS}
        digests["tools"] += [RESULT_TOOL_NAME for _ in self._own]
        return {kind: digest_of_texts(filter(None, digests[kind])) for kind in KINDS}

    @cached_property
    def tools_bytes(self) -> bytes:
        """`tools` as a JSON array."""
        return array([self._tools.json, joined(self._own)])

    @cached_property
    def prompts_bytes(self) -> bytes:
        """`prompts` as a JSON array."""
        return array([self._prompts.json])

    @cached_property
    def resources_bytes(self) -> bytes:
        """`resources` as a JSON array."""
        return array(share.resources_json for share in self._shares)

    @cached_property
    def resource_templates_bytes(self) -> bytes:
        """`resource_templates` as a JSON array."""
        return array(share.resource_templates_json for share in self._shares)
