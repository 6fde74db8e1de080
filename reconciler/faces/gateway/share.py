"""What one server adds to a surface: its definitions under visible names. Made anew only when the server lists anew."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Literal, TypeAlias, get_args

from reconciler.faces.gateway.definitions import Definitions, digest_of, is_sound, joined
from reconciler.faces.gateway.named import Named
from reconciler.faces.gateway.names import visible_uri
from reconciler.gate.policy import Policy
from reconciler.gate.showing import RESULT_TOOL_NAME
from reconciler.sessions.listing import Listing

Kind: TypeAlias = Literal["tools", "prompts", "resources"]
"""What a client can be told has changed; `resources` has their templates with it."""
KINDS: tuple[Kind, ...] = get_args(Kind)


class Share:
    """The definitions of one server, `renamed` for a surface of many servers or as they are. Never changes."""

    def __init__(self, server_id: str, listing: Listing, *, renamed: bool) -> None:
        self.server_id = server_id
        self._listing = listing
        self._renamed = renamed
        self.tools = Named(server_id, listing.tools if renamed else _not_ours(listing.tools), renamed=renamed)
        self.prompts = Named(server_id, _sound_prompts(listing.prompts), renamed=renamed)
        self.resources = self._under_uris(listing.resources, "uri")
        self.resource_templates = self._under_uris(listing.resource_templates, "uriTemplate")
        self._asks: tuple[Policy, bool] | None = None

    def holds(self, listing: Listing) -> bool:
        """Whether this is still the share of that listing: the very same definitions in the same order."""
        mine = self._listing
        return mine is listing or (
            _same(mine.tools, listing.tools)
            and _same(mine.prompts, listing.prompts)
            and _same(mine.resources, listing.resources)
            and _same(mine.resource_templates, listing.resource_templates)
        )

    def asks(self, policy: Policy | None) -> bool:
        """Whether some tool of it asks a person."""
        if policy is None:
            return False
        if self._asks is None or not _decides_alike(self._asks[0], policy):
            self._asks = (policy, any(policy.answer(owner.name).asks for owner in self.tools.owners))
        return self._asks[1]

    @cached_property
    def digests(self) -> Mapping[Kind, str]:
        """Equal exactly when a client sees the same, in whatever order."""
        return {
            "tools": digest_of(self.tools.shown),
            "prompts": digest_of(self.prompts.shown),
            "resources": digest_of((*self.resources, *self.resource_templates)),
        }

    @cached_property
    def resources_json(self) -> str:
        """The resources as JSON, separated by commas."""
        return joined(self.resources)

    @cached_property
    def resource_templates_json(self) -> str:
        """The templates as JSON, separated by commas."""
        return joined(self.resource_templates)

    def _under_uris(self, definitions: Definitions, member: str) -> Definitions:
        sound = tuple(each for each in definitions if is_sound(each.get(member)))
        if not self._renamed:
            return sound
        return tuple({**each, member: visible_uri(self.server_id, each[member])} for each in sound)


def _not_ours(tools: Definitions) -> Definitions:
    """Where names stay as they are, no server may pose as our own tool."""
    return tuple(tool for tool in tools if tool["name"] != RESULT_TOOL_NAME)


def _sound_prompts(prompts: Definitions) -> Definitions:
    """Those with a name that can be shown; two of one name cannot be told apart, so neither stays."""
    sound = [prompt for prompt in prompts if is_sound(prompt.get("name"))]
    names = Counter(prompt["name"] for prompt in sound)
    return tuple(prompt for prompt in sound if names[prompt["name"]] == 1)


_is_same: Callable[[object, object], bool] = operator.is_


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    """The same objects in the same order; equality would take `1` for `true`."""
    return one is other or (len(one) == len(other) and all(map(_is_same, one, other)))


def _decides_alike(one: Policy, other: Policy) -> bool:
    same_words = one.server is other.server and one.read_only == other.read_only
    return one is other or (same_words and one.remembered == other.remembered)
