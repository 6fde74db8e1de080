"""Who is asked before a tool runs, and which line of the file says so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.gate.withheld import why_withheld
from reconciler.model.document import Document
from reconciler.model.server import Approval, Server, ToolRule
from reconciler.plan.globs import fits, specificity
from reconciler.plan.lock import Withheld

FilePath: TypeAlias = tuple[str, ...]
REMEMBERED: FilePath = ("always.json",)
"""Decided by what this machine remembers instead of by the file."""
_MOST_VERDICTS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a call asks a person. `by` is the path in the file that decides, () for the built-in default."""

    asks: bool
    approval: Approval
    by: FilePath


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that a call of one tool is decided by. `refusal` is a code and a sentence, None for a tool that is offered;
    `timeout` are seconds."""

    refusal: tuple[str, str] | None
    asks: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class Policy:
    """What the accepted document and the lock say about one server's tools.

    `read_only` are the tools whose readOnlyHint was true when they were first listed after the launch got its yes, and
    still is.
    `tools` has the digest of each definition as it was last listed, `blocked` those that the lock withholds, and why;
    `withheld` is all that an enforced lock keeps back, `remembered` the tools that somebody allowed for always without
    writing it into the file, with who. `paused` says why nothing reaches the server for now, with the way out.
    """

    server: Server
    by: FilePath = ()
    read_only: frozenset[str] = field(default_factory=frozenset)
    tools: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    withheld: Withheld = field(default_factory=Withheld)
    remembered: Mapping[str, str] = field(default_factory=dict)
    paused: str | None = None
    _verdicts: dict[str, Verdict] = field(default_factory=dict, init=False, repr=False, compare=False)

    def verdict(self, tool: str) -> Verdict:
        """What is decided about calls of the tool, worked out once."""
        known = self._verdicts.get(tool)
        if known is not None:
            return known
        if len(self._verdicts) >= _MOST_VERDICTS:  # a caller may name any number of tools that do not exist
            self._verdicts.clear()
        fresh = self._verdicts[tool] = Verdict(self._refusal(tool), self.answer(tool).asks, self.timeout(tool))
        return fresh

    def _refusal(self, tool: str) -> tuple[str, str] | None:
        name = f'"{tool}" of "{self.server.id}"'
        if not self.offers(tool):
            return "tool-not-offered", f"{name} is not offered: allowTools and denyTools decide"
        why = self.blocked.get(tool) or why_withheld(self.withheld, "tools/call", {"name": tool})
        return ("tool-locked", f"{name} is withheld: {why}") if why is not None else None

    def offers(self, tool: str) -> bool:
        """Whether the tool may be seen and called at all (`allowTools`, `denyTools`)."""
        allowed = self.server.allow is None or _matches(tool, self.server.allow)
        return allowed and not _matches(tool, self.server.deny)

    def answer(self, tool: str) -> Answer:
        """Whether a call asks: an always of this machine, the most specific rule for the tool, or the server's."""
        if tool in self.remembered:
            return Answer(False, "never", REMEMBERED)
        approval, by = self.server.approval, self.by
        rule = self._rule(tool, approval=True)
        if rule is not None and rule.approval is not None:
            approval, by = rule.approval, ("mcpServers", self.server.id, "tools", rule.pattern, "requireApproval")
        asks = approval == "always" or (approval == "writes" and tool not in self.read_only)
        return Answer(asks, approval, by)

    def timeout(self, tool: str) -> float:
        """Seconds one call of the tool may take."""
        rule = self._rule(tool, approval=False)
        return rule.timeout if rule and rule.timeout is not None else self.server.timeouts.call

    def _rule(self, tool: str, *, approval: bool) -> ToolRule | None:
        fitting = [
            rule
            for rule in self.server.rules
            if fits(tool, rule.pattern) and (rule.approval if approval else rule.timeout) is not None
        ]
        return max(fitting, key=lambda rule: specificity(rule.pattern), default=None)


def policy_of(document: Document, server_id: str, read_only: frozenset[str]) -> Policy:
    """The policy of an accepted server."""
    return Policy(document.server(server_id), _approval_path(document, server_id), read_only)


def _approval_path(document: Document, server_id: str) -> FilePath:
    written: Mapping[str, Any] = document.servers[server_id]
    group = written.get("group", "")
    levels: tuple[tuple[Mapping[str, Any], FilePath], ...] = (
        (written, ("mcpServers", server_id, "requireApproval")),
        (document.groups.get(group, {}), ("groups", group, "requireApproval")),
        (document.written.get("defaults", {}), ("defaults", "requireApproval")),
    )
    return next((path for level, path in levels if "requireApproval" in level), ())


def _matches(tool: str, patterns: tuple[str, ...]) -> bool:
    return any(fits(tool, pattern) for pattern in patterns)
