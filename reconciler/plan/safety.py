"""What is new about a launch, and the deletions that are not carried out. Reads: Accepted, launch facts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from reconciler.merge_patch import equal
from reconciler.model.accepted import Accepted
from reconciler.model.document import Facts
from reconciler.plan.actions import Blocked

MASS_DELETE: Final = "mass-delete"
MASS_COUNT = 3
MASS_SHARE = 0.30

_LAUNCH_WORDS = {
    "command": "new command",
    "args": "new command",
    "cwd": "new directory",
    "origin": "new address",
    "issuer": "new sign-in server",
    "authority": "new sign-in server",
    "env": "new environment",
    "envFile": "new environment",
}


def launch_words(old: Facts, new: Facts) -> tuple[str, ...]:
    """What is new about what a server runs or contacts, in words, from two `launch_facts`; `old` is empty for none."""
    if old:
        changed = {name for name in new if not equal(old.get(name), new[name])} or old.keys() - new.keys()
    else:
        changed = {"command", "origin"} & new.keys()
    words = dict.fromkeys(words for name, words in _LAUNCH_WORDS.items() if name in changed)
    if "references" in changed:
        words["new reference" if set(new["references"]) - set(old["references"]) else "fewer references"] = None
    return tuple(words)


def blocked_deletions(
    accepted: Accepted, deleted: Collection[str], named: Collection[str], allow: Collection[str]
) -> tuple[Blocked, ...]:
    """The deletions that are refused, with the way out: protected servers, and many that nobody named."""
    blocked = []
    shielded = tuple(sorted(server_id for server_id in deleted if is_protected(accepted, server_id)))
    if shielded:
        blocked.append(_protected(shielded))
    unnamed = tuple(sorted(set(deleted) - set(named)))
    if MASS_DELETE not in allow and _too_many(len(unnamed), len(deleted), len(accepted.document.servers)):
        blocked.append(_mass_delete(unnamed, len(accepted.document.servers)))
    return tuple(blocked)


def is_protected(accepted: Accepted, server_id: str) -> bool:
    """Whether its deletion is refused: `protect: true` was applied, and `protect: false` not since."""
    return server_id in accepted.protected or accepted.document.servers[server_id].get("protect", False)


def _too_many(unnamed: int, deleted: int, existing: int) -> bool:
    everything = unnamed > 0 and deleted == existing >= 2
    return everything or (unnamed >= MASS_COUNT and unnamed > MASS_SHARE * existing)


def _protected(servers: tuple[str, ...]) -> Blocked:
    names = ", ".join(servers)
    one = len(servers) == 1
    return Blocked(
        "protected",
        servers,
        f"{names} {'is' if one else 'are'} protected",
        f"put {'it' if one else 'them'} back with `protect: false`, apply, then remove {'it' if one else 'them'}",
    )


def _mass_delete(servers: tuple[str, ...], existing: int) -> Blocked:
    return Blocked(
        MASS_DELETE,
        servers,
        f"{len(servers)} of {existing} servers would be deleted and nobody named them: {', '.join(servers)}",
        "if that is meant: `reconciler apply --allow mass-delete`",
    )
