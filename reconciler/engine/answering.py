"""A person's answer to a call that waits: once, for the session, or for always, which changes the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from reconciler.engine.change import Applied
from reconciler.engine.door import ChangeRefused, change
from reconciler.engine.events import now_text
from reconciler.engine.project import Project
from reconciler.gate.approvals import Decision, NotDecided, Reach
from reconciler.gate.principal import Principal
from reconciler.plan.globs import is_glob
from reconciler.store.always import Always
from reconciler.store.approval_rows import CallRow
from reconciler.store.audit_rows import AuditRows
from reconciler.store.refused import why_not_written

MAY_DECIDE = ("operator", "owner")


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer came to. `reach` is how far it goes; `refused` says why not as far as was asked for.

    `runs` is true when the caller still waits for it, so that the call runs at once.
    """

    row: CallRow
    reach: Reach
    runs: bool
    refused: tuple[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer of the API."""
        refused = dict(zip(("code", "message"), self.refused, strict=True)) if self.refused else None
        facts = {"id": self.row.id, "state": self.row.state, "for": self.reach}
        return {**facts, "runs": self.runs, "refused": refused}


async def answer_call(project: Project, principal: Principal, call_id: str, decision: Decision) -> Answered:
    """Let exactly this call run once, or never; a wider yes is added where it can be. Raises NotDecided.

    An always that the file cannot take leaves the call itself allowed, and says why.
    """
    if principal.role not in MAY_DECIDE:
        raise NotDecided("not-allowed", f'"{principal.name}" has the role {principal.role}, and may not approve')
    approvals = project.gate.approvals
    runs = decision.allow and approvals.is_awaited(call_id)
    if not decision.allow or decision.reach != "always":
        row = await approvals.decide(call_id, decision)
        return Answered(row, decision.reach if decision.allow else "once", runs)
    row = await approvals.decide(call_id, replace(decision, reach="once"))
    try:
        await _remember(project, row, decision.who)
    except ChangeRefused as refused:
        await _note(project, row, decision.who, "refused", str(refused))
        return Answered(row, "once", runs, (refused.code, str(refused)))
    await _note(project, row, decision.who, project.ledger.document.approvals.remember, None)
    await approvals.allow_everywhere(row, decision)
    return Answered(row, "always", runs)


async def forget(project: Project, server: str, tool: str, who: str) -> bool:
    """A tool that this machine let through asks again; False when it did not. Raises OSError, sqlite3.Error."""
    forgotten = await project.remembered.remove(server, tool)
    if forgotten:
        about = {"principal": who, "server": server, "tool": tool, "arguments": ""}
        entry = {"at": now_text(), **about, "decision": "forget-always", "outcome": "local", "who": who}
        await AuditRows(project.records).add(entry)
    return forgotten


async def _remember(project: Project, row: CallRow, who: str) -> None:
    """The tool asks nobody any more. Raises ChangeRefused."""
    if project.ledger.document.approvals.remember == "local":
        kept = Always(row.server, row.tool, row.spec, row.definition, who, now_text())
        try:
            await project.remembered.add(kept)
        except OSError as error:
            raise ChangeRefused("read-only", why_not_written(error)) from error
        return
    if is_glob(row.tool):
        raise ChangeRefused("bad-name", f'the file would take "{row.tool}" for a pattern that selects other tools too')
    snapshot = await project.read()
    if row.server not in (snapshot.reading.written or {}).get("mcpServers", {row.server: None}):
        raise ChangeRefused("edit-refused", f'the file does not have "{row.server}" any more')
    patch = {"mcpServers": {row.server: {"tools": {row.tool: {"requireApproval": False}}}}}
    changed = await change(project, patch, if_match=None, principal=Principal(who, "operator"))
    _check(changed.applied)


def _check(applied: Applied) -> None:
    failed = [outcome for outcome in applied.outcomes if outcome.status != "applied"]
    if failed:
        why = failed[0].error or failed[0].status
        raise ChangeRefused("not-applied", f"the file says so, and it was not taken up: {why}")


async def _note(project: Project, row: CallRow, who: str, outcome: str, reason: str | None) -> None:
    entry = row.entry(now_text(), "allow-always", outcome, who=who, reason=reason)
    await AuditRows(project.records).add(entry)
