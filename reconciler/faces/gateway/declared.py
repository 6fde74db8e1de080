"""What an endpoint declares of itself: capabilities and instructions, out of what its servers declared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.engine.offers import Offer
from reconciler.sessions.session import Handshake

INSTRUCTIONS_EACH = 2_000
INSTRUCTIONS_TOGETHER = 16_000
"""Characters of instructions that a surface of several servers passes on."""
_BETWEEN = "\n\n"
_LISTED = ("tools", "prompts", "resources")
_TASKS = "tasks"


def own_capabilities(handshake: Handshake | None) -> dict[str, Any]:
    """A server's own, but that lists change: they do so with the file. Tasks are not passed on, so not declared.

    Of a server that has not been reached yet, everything that it may turn out to have.
    """
    if handshake is None:
        return _everything()
    declared = {name: value for name, value in handshake.capabilities.items() if name != _TASKS}
    for name in _LISTED:
        if isinstance(declared.get(name), Mapping):
            declared[name] = {**declared[name], "listChanged": True}
    if isinstance(declared.get("extensions"), Mapping):
        kept = {key: value for key, value in declared["extensions"].items() if not key.endswith(f"/{_TASKS}")}
        declared = {**declared, "extensions": kept}
    return declared


def capabilities_of(handshakes: Sequence[Handshake | None]) -> dict[str, Any]:
    """Of several servers. All lists are there even if empty: a client asks once, and servers come and go.

    What only some servers have is declared where one has it, or where one has not been reached yet.
    """
    if None in handshakes:
        return _everything()
    declared = [handshake.capabilities for handshake in handshakes if handshake is not None]
    capabilities = _lists(subscribe=any(_subscribes(each) for each in declared))
    for name in ("completions", "logging"):
        if any(isinstance(each.get(name), Mapping) for each in declared):
            capabilities[name] = {}
    return capabilities


def instructions_of(offers: Iterable[Offer]) -> str | None:
    """Each server's instructions under its name, as far as they fit; None when no server has any."""
    parts: list[str] = []
    left = INSTRUCTIONS_TOGETHER
    for offer in offers:
        words = offer.handshake.instructions if offer.handshake else None
        if not words or not words.strip():
            continue
        part = _cut(f"# {offer.server.name} ({offer.server.id})\n\n{_cut(words.strip(), INSTRUCTIONS_EACH)}", left)
        parts.append(part)
        left -= len(part) + len(_BETWEEN)
        if left <= 0:
            break
    return _BETWEEN.join(parts) or None


def _everything() -> dict[str, Any]:
    return {**_lists(subscribe=True), "completions": {}, "logging": {}}


def _lists(*, subscribe: bool) -> dict[str, Any]:
    capabilities: dict[str, Any] = {name: {"listChanged": True} for name in _LISTED}
    if subscribe:
        capabilities["resources"]["subscribe"] = True
    return capabilities


def _subscribes(capabilities: Mapping[str, Any]) -> bool:
    resources = capabilities.get("resources")
    return isinstance(resources, Mapping) and resources.get("subscribe") is True


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
