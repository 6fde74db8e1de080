"""Who is asked before a tool runs, and which line of the file says so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.model.document import Document
from reconciler.model.server import Approval, Server, ToolRule
from reconciler.plan.globs import fits, specificity
from reconciler.plan.lock import Withheld

FilePath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a call asks a person. `by` is the path in the file that decides, () for the built-in default."""

    asks: bool
    approval: Approval
    by: FilePath


@dataclass(frozen=True, slots=True)
class Policy:
    """What the accepted document and the lock say about one server's tools.

    `read_only` are the tools whose readOnlyHint was true when they were first listed after the launch got its yes.
    `tools` has the digest of each definition as it was last listed, `blocked` those that the lock withholds, and why;
    `withheld` is all that an enforced lock keeps back.
    """

    server: Server
    by: FilePath = ()
    read_only: frozenset[str] = field(default_factory=frozenset)
    tools: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    withheld: Withheld = field(default_factory=Withheld)

    def offers(self, tool: str) -> bool:
        """Whether the tool may be seen and called at all (`allowTools`, `denyTools`)."""
        allowed = self.server.allow is None or _matches(tool, self.server.allow)
        return allowed and not _matches(tool, self.server.deny)

    def answer(self, tool: str) -> Answer:
        """Whether a call asks: the most specific rule for the tool, else what holds for the server."""
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
